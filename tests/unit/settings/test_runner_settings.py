"""What `runners` in swarm.yaml may contain, and how errors are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarm_shared.domain.errors import ConfigError
from swarm_shared.domain.runners import BwrapOptions, ContainerOptions, KubernetesOptions, RunnerOptions
from swarm_shared.runners.variables import ALWAYS, only
from swarm_shared.settings.runner_settings import as_runners
from swarm_shared.settings.settings import resolve


@pytest.mark.parametrize(("stated", "network"), [("on", True), ("off", False), (True, True), (False, False)])
def test_the_network_is_on_or_off(stated: object, network: bool) -> None:
    assert as_runners({"bwrap": {"network": stated}}).bwrap.network == network


def test_everything_has_a_default() -> None:
    assert as_runners({"bwrap": None}) == as_runners({}) == RunnerOptions(bwrap=BwrapOptions())
    assert BwrapOptions().network


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ({"chroot": {}}, "runners.chroot: is unknown"),
        ({"slurm": {"queue": "x"}}, "runners.slurm.queue: is unknown"),
        ({"slurm": {"folder": "runs"}}, "runners.slurm.folder: 'runs' is not absolute"),
        ({"slurm": {"folder": "/a%j"}}, "contains % or a backslash"),
        ({"slurm": {"partition": "a b"}}, "'a b' is no name"),
        ({"slurm": {"cpus": 0}}, "0 is too few"),
        ({"slurm": {"gpus": -1}}, "-1 is too few"),
        ({"slurm": {"time": "2"}}, "'2' is no time"),
        ({"slurm": {"time": "0h"}}, "'0h' is no time"),
        ({"slurm": {"args": ["--requeue"]}}, "--requeue is set by the runner"),
        ({"slurm": {"args": ["--output=x"]}}, "--output is set by the runner"),
        ({"bwrap": {"net": "off"}}, "runners.bwrap.net: is unknown"),
        ({"bwrap": {"network": "maybe"}}, "runners.bwrap.network: 'maybe' is unknown"),
        ({"bwrap": {"network": 1}}, "runners.bwrap.network: 1 is unknown"),
        ({"bwrap": {"network": ["off"]}}, "is unknown"),
        ({"bwrap": {"writable": "x"}}, "must be a list of texts"),
        ({"bwrap": {"writable": ["cache"]}}, "'cache' is not absolute"),
        ({"bwrap": {"writable": ["/"]}}, "would leave nothing confined"),
        ({"bwrap": {"writable": ["~/"]}}, "would leave nothing confined"),
        ({"bwrap": {"home": ["/etc"]}}, "is not a path below the home directory"),
        ({"bwrap": {"home": ["../other"]}}, "is not a path below the home directory"),
        ({"bwrap": {"home": ["."]}}, "is not a path below the home directory"),
        ({"bwrap": {"environment": ["A=1"]}}, "is not the name of a variable"),
        ({"bwrap": {"environment": ["*"]}}, "is not the name of a variable"),
        (["bwrap"], "must be a mapping"),
        ({"podman": {"image": 7}}, "runners.podman.image: must be text"),
        ({"docker": {"memory": "4G"}}, "runners.docker.memory: '4G' is no size"),
        ({"podman": {"memory": 4}}, "4 is no size"),
        ({"podman": {"memory": "1KiB"}}, "is too little"),
        ({"podman": {"cpus": "2"}}, "must be a number"),
        ({"podman": {"cpus": 0}}, "is too little"),
        ({"podman": {"pids": 0}}, "is too few"),
        ({"podman": {"network": 1}}, "1 is no network"),
        ({"podman": {"network": "a b"}}, "'a b' is no network"),
        ({"podman": {"writable": ["x"]}}, "runners.podman.writable: 'x' is not absolute"),
        ({"podman": {"args": ["--rm"]}}, "--rm is set by the runner"),
        ({"podman": {"args": ["--privileged=true"]}}, "--privileged is set by the runner"),
        ({"kubernetes": {"claim": "A b"}}, "runners.kubernetes.claim: 'A b' is no name"),
        ({"kubernetes": {"folder": "shared"}}, "runners.kubernetes.folder: 'shared' is not absolute"),
        ({"kubernetes": {"folder": "/"}}, "'/' is not absolute"),
        ({"kubernetes": {"gpus": -1}}, "runners.kubernetes.gpus: -1 is too few"),
        ({"kubernetes": {"node_selector": {"a": 1}}}, "must be a mapping of names to texts"),
        ({"kubernetes": {"job": True}}, "runners.kubernetes.job: is unknown"),
        ({"podman": {"volumes": []}}, "runners.podman.volumes: is unknown"),
    ],
)
def test_invalid_options_are_refused_by_name(raw: object, text: str) -> None:
    with pytest.raises(ConfigError, match=text.replace(".", r"\.").replace("*", r"\*")):
        as_runners(raw)


def test_containers_have_an_image_a_network_and_limits() -> None:
    stated = {"image": "i:1", "network": False, "cpus": 1.5, "memory": "1.5 GiB", "pids": 64, "args": ["--gpus", "all"]}
    found = as_runners({"podman": stated, "docker": {"network": "host"}})
    assert found.podman == ContainerOptions(
        image="i:1", network="off", cpus=1.5, memory=1536 * 2**20, pids=64, args=("--gpus", "all")
    )
    assert (found.docker.network, ContainerOptions().network) == ("host", "on")


def test_pods_have_an_image_a_volume_and_limits() -> None:
    stated = {"image": "i:1", "claim": "work", "folder": "/shared", "namespace": "agents", "cpus": 2, "memory": "1GiB"}
    found = as_runners({"kubernetes": {**stated, "node_selector": {"disk": "ssd"}}}).kubernetes
    assert found == KubernetesOptions(
        image="i:1", claim="work", folder="/shared", namespace="agents", cpus=2.0, memory=2**30,
        node_selector=(("disk", "ssd"),),
    )  # fmt: skip
    assert found.patience_minutes == 10


def test_a_runner_comes_from_flag_variable_or_file(tmp_path: Path) -> None:
    (tmp_path / "swarm.yaml").write_text("runner: bwrap\ncheck_runner: local\nrunners: {bwrap: {network: off}}\n")
    db = str(tmp_path / "tasks.db")
    settings = resolve({"db": db}, {})
    assert (settings.runner, settings.check_runner, settings.runners.bwrap.network) == ("bwrap", "local", False)
    assert resolve({"db": db}, {"SWARM_RUNNER": "local"}).runner == "local"
    assert resolve({"db": db, "runner": "local"}, {}).runner == "local"
    with pytest.raises(ConfigError, match="runner = 'chroot'"):
        resolve({"db": db}, {"SWARM_RUNNER": "chroot"})


def test_only_listed_variables_are_passed_on() -> None:
    environ = {"PATH": "p", "LC_ALL": "C", "AWS_SECRET_ACCESS_KEY": "k", "MINE_A": "1", "SSH_AUTH_SOCK": "s"}
    assert only(environ, (*ALWAYS, "MINE_*")) == {"PATH": "p", "LC_ALL": "C", "MINE_A": "1"}
