"""Made-up secrets as programs print them, and text that only looks like one.

Each secret is assembled from parts, so that scanners of repositories do not report this file.
"""

from __future__ import annotations

import base64
import json
from typing import NamedTuple
from urllib.parse import quote

MIXED = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0u1V2w3X4y5Z6"
HEX = "0123456789abcdef" * 4
UPPER = "A1B2C3D4E5F6G7H8I9J0K1L2M3N4O5P6"
SIGNS = "fAkE+sEcReT/0123456789+aBcDeFgHiJkLmNoPq"  # 40 characters, as an AWS secret has
OURS = 'we"ird/va+lue\\with signs'
ENVIRON = {
    "MY_API_KEY": OURS,
    "MYSQL_PWD": "maria-db-entry-9",
    "DATABASE_URL": "postgres://app:tr0ub4dor%263@db.example/app",
    "SENTRY_DSN": "".join(("https://", HEX[:32], "@o1.example.org/1")),
    "PATH": "/usr/local/bin:/usr/bin",
    "PWD": "/home/you/project-with-a-long-name",
    "SSH_AUTH_SOCK": "/tmp/ssh-XXXXXX/agent.4242",
    "GIT_AUTHOR_NAME": "Someone Longname",
    "TOKEN_LIMIT": "1000000",
}


class Case(NamedTuple):
    """A line of output, and the secret in it."""

    text: str
    secret: str


def _of(text: str, *parts: str) -> Case:
    secret = "".join(parts)
    return Case(text=text.replace("@@", secret), secret=secret)


def _block(kind: str) -> Case:
    lines = [
        "-----BEGIN " + kind + "-----",
        *(f"{MIXED[n:]}{MIXED[:n]}" for n in range(6)),
        "-----END " + kind + "-----",
    ]
    return Case(text="\n".join(lines), secret="\n".join(lines))


_PEM = _block("RSA PRIVATE KEY")
SECRETS: tuple[Case, ...] = (
    # Names next to values.
    _of("DB_PASSWORD=@@", "correcthorse"),
    _of("export PGPASSWORD=@@", "n0t-a-real-1"),
    _of("MYSQL_ROOT_PASSWORD=@@ mysqld", "sw0rd(fish)#1"),
    _of('password: "@@"', "correct horse battery"),
    _of("  password: @@", "swordfish"),
    _of("password = '@@'", "tops3cr3t!"),
    _of('{"password": "@@", "user": "x"}', "hunter-two-22"),
    _of('{"user":"x","client_secret":"@@"}', MIXED[:30]),
    _of('{"text": "{\\"password\\": \\"@@\\"}"}', "hunter-two-22"),
    _of('{"a":"{\\"b\\":\\"{\\\\\\"apiKey\\\\\\":\\\\\\"@@\\\\\\"}\\"}"}', MIXED[:24]),
    _of("{'token': '@@'}", MIXED[:24]),
    _of("config(api_key='@@', retries=3)", MIXED[:32]),
    _of("secret_key: @@", MIXED[:40]),
    _of("SECRET_KEY_BASE=@@", HEX),
    _of("db.passwd=@@", "l3tmein-now"),
    _of(":password => '@@'", "rubyist-1"),
    _of("<password>@@</password>", "xml-hidden-1"),
    _of('\x1b[34;1m"password"\x1b[0m\x1b[1;39m:\x1b[0m \x1b[0;32m"@@"\x1b[0m', "coloured-by-jq-1"),
    _of("password: |\n  @@\n", "in-a-block-1"),
    _of("Server=db;User Id=sa;Password=@@;Encrypt=true", "Str0ng!Pass"),
    _of("login --password @@ --user x", "opti0n-value"),
    _of("deploy --api-key=@@", MIXED[:20]),
    _of("machine example.com login me password @@", "netrcword"),
    _of("machine example.com\n  login me\n  password @@\n", "netrc-w0rd"),
    _of("curl -s -u admin:@@ https://example.com/", "adminpass"),
    _of("+ curl --user 'me:@@' https://example.com", "with-curl-1"),
    _of("sshpass -p @@ ssh host", "by-option-99"),
    _of("//registry.example/:_authToken=@@", MIXED[:36]),
    _of("https://api.example/v1?api_key=@@&page=2", MIXED[:32]),
    # URLs and headers.
    _of("postgres://app:@@@db.example:5432/app", "pg-w0rd"),
    _of("redis://:@@@cache.example:6379/0", "redisword"),
    _of("mongodb+srv://root:@@@cluster.example/test", "p@ss:w0rd"),
    _of("https://@@@github.com/you/project.git", MIXED[:40]),
    _of('{"url":"https:\\/\\/me:@@@example.com"}', "slashed-1"),
    _of("url=postgres%3A%2F%2Fapp%3A@@%40db", "enc0ded"),
    _of("Authorization: Bearer @@", MIXED[:30]),
    _of("authorization: Basic @@", base64.b64encode(b"user:passphrase").decode()),
    _of('"Proxy-Authorization": "Basic @@"', base64.b64encode(b"me:other-phrase").decode()),
    _of("-H 'X-Api-Key: @@'", MIXED[:28]),
    _of("PRIVATE-TOKEN: @@", MIXED[:20]),
    _of("https://x.blob.example/c?sv=2022&sig=@@&se=1", quote(SIGNS, safe="")),
    _of("https://s3.example/k?X-Amz-Signature=@@", HEX),
    # Cloud providers.
    _of("key id @@ created", "AKIA", UPPER[:16]),
    _of("AWS_SECRET_ACCESS_KEY=@@", SIGNS),
    _of('"SecretAccessKey": "@@"', SIGNS),
    _of("AWS_SESSION_TOKEN=@@", "IQoJ", MIXED, MIXED),
    _of("got @@ from sts", "FwoG", MIXED, MIXED),
    _of("DefaultEndpointsProtocol=https;AccountName=x;AccountKey=@@;Suffix=y", MIXED, MIXED[:34], "=="),
    _of("azure client @@", "abc8", "Q~", MIXED[:34]),
    _of("Endpoint=sb://x/;SharedAccessKey=@@", SIGNS, "="),
    _of("google @@ here", "AIza", MIXED[:35]),
    _of("got @@.", "ya29.", MIXED),
    _of("client @@", "GOCSPX-", MIXED[:28]),
    _of("digitalocean @@", "dop", "_v1_", HEX),
    # Services.
    _of("using @@", "sk-", "ant-api03-", MIXED, "_", MIXED[:20]),
    _of("openai @@", "sk-", MIXED[:48]),
    _of("openai @@ again", "sk-", "proj-", MIXED, "-", MIXED[:30]),
    _of("remote: @@", "ghp", "_", MIXED[:36]),
    _of("fine-grained @@", "github", "_pat_", MIXED[:22], "_", MIXED),
    _of("gitlab @@", "glpat", "-", MIXED[:20]),
    _of("slack @@", "xoxb", "-1234567890-", MIXED[:24]),
    _of("slack app @@", "xapp", "-1-", UPPER[:11], "-1234567890-", HEX),
    _of("https://hooks.slack.com/services/@@", "T0000", "/B0000/", MIXED[:24]),
    _of("stripe @@", "sk", "_live_", MIXED[:24]),
    _of("stripe @@", "rk", "_test_", MIXED[:24]),
    _of("webhook @@", "whsec", "_", MIXED[:32]),
    _of("npm @@", "npm", "_", MIXED[:36]),
    _of("twine @@", "pypi-", "AgEIcHlwaS5vcmc", MIXED, MIXED),
    _of("hub @@", "hf", "_", "aBcDeFgHiJkLmNoPqRsTuVwXyZaBcDeFgH"),
    _of("sendgrid @@", "SG", ".", MIXED[:22], ".", MIXED[:43]),
    _of("twilio @@", "SK", HEX[:32]),
    _of("https://api.telegram.example/bot@@/getMe", "123456789", ":AA", MIXED[:33]),
    _of("discord @@", "M", MIXED[:23], ".", "Gabc12", ".", MIXED[:38]),
    _of("https://discord.com/api/webhooks/123456789012/@@", MIXED, MIXED[:16]),
    _of("vault @@", "hvs", ".", MIXED[:24]),
    _of("jwt @@", "eyJ", "hbGciOiJIUzI1NiJ9", ".eyJ", "zdWIiOiIxMjM0NSJ9", ".", MIXED[:43]),
    _of("age @@", "AGE-SECRET-KEY-1", UPPER, UPPER[:26]),
    # Blocks.
    _PEM,
    _block("OPENSSH PRIVATE KEY"),
    _block("PGP PRIVATE KEY BLOCK"),
    Case(text=json.dumps({"private_key": _PEM.text}), secret=json.dumps(_PEM.secret)[1:-1]),
    Case(text="\n".join("+" + line for line in _PEM.text.split("\n")), secret=MIXED),
    # Values of our own environment, however they are printed.
    _of("value: @@ end", OURS),
    _of('{"said": "@@"}', json.dumps(OURS)[1:-1]),
    _of('{"said": "{\\"a\\": \\"@@\\"}"}', json.dumps(json.dumps(OURS)[1:-1])[1:-1]),
    _of("https://example.com/?x=@@", quote(OURS, safe="")),
    _of("encoded @@", base64.b64encode(OURS.encode()).decode()),
    _of("connected with @@", ENVIRON["MYSQL_PWD"]),
    _of("connected by @@", "tr0ub4dor&3"),
    _of("event sent to @@", ENVIRON["SENTRY_DSN"][8:40]),
)

INNOCENT: tuple[str, ...] = (
    "password = getpass()",
    "password = getpass.getpass('Password: ')",
    "token: str",
    "def login(user: str, password: str, token: str | None = None) -> bool:",
    "  password: Optional[str] = None",
    "max_tokens: 4096",
    '{"usage": {"input_tokens": 1234, "output_tokens": 98765432, "total_tokens": 98766666}}',
    '"tokens": 1234567',
    '"max_token": 128000',
    "secret_name: my-secret",
    "secretName: app-tls-secret",
    "password=os.environ['DB_PASSWORD']",
    "api_key = os.getenv('API_KEY')",
    "token = self.tokens.pop()",
    "token=next(stream)",
    "const token = await client.token();",
    "password: string;",
    "secret = secrets.token_hex(32)",
    "password=${DB_PASSWORD}",
    "password: $DB_PASSWORD",
    "api_key: ${{ secrets.API_KEY }}",
    "token: <your-token>",
    "--token TOKEN     the token to use",
    "--password-stdin  take the password from standard input",
    "Enter password: ",
    "password: ********",
    "error: password: required",
    "SyntaxError: unexpected token: identifier",
    "Invalid token: expired",
    '{"password": "must have at least 8 characters"}',
    '{"token_type": "bearer", "expires_in": 3600}',
    '{"error": {"code": "invalid_api_key"}}',
    "PWD=/home/you/project-with-a-long-name",
    "OLDPWD=/home/you/other",
    "SSH_AUTH_SOCK=/tmp/ssh-XXXXXX/agent.4242",
    "TOKEN_FILE=/run/secrets/token",
    "SORT_KEY=created_at",
    "task_claimed task=2.6.1 attempt=1 token=7 worker=worker-2",
    "task-sk-implementuserauthentication",
    "task-sk-abcdefghijklmnopqrst",
    "task-implement-user-authentication",
    "swarm/task/disk-usage-of-the-whole-machine",
    "flask-sqlalchemy-with-many-more-words",
    "0123456789abcdefsk-0123456789abcdef0123",
    "commit 02e4286fd5d1c2b3a4958677869504132a3b4c5d",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "550e8400-e29b-41d4-a716-446655440000",
    "integrity sha512-" + "z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==",
    "/usr/lib/python3.11/site-packages/token_utils/secret_store.py:120",
    "docker run -u 1000:1000 image",
    "docker run --user node:node https://example.com",
    "git push -u origin main",
    "ssh://git@github.com/you/project.git",
    "https://you@example.com/path?sort=key",
    "http://127.0.0.1:8765/#screen",
    "see http://example.com:80/@scope/package",
    "Authorization: required",
    "authorization_url = https://example.com/oauth/authorize",
    "Authorization: Bearer $TOKEN",
    "Bearer authentication is not configured here",
    "-----BEGIN CERTIFICATE-----",
    'if "-----BEGIN PRIVATE KEY-----" in text:',
    "-----BEGIN PUBLIC KEY-----",
    "sk-learn is a library, and task-12 a task",
    "the key is under the mat; secrets are kept",
    "keyboard: us, monkey: george-the-third",
    "SELECT token, secret FROM accounts WHERE id = 1",
    "tokenizer: BertTokenizerFast",
    "PASSWORD_MIN_LENGTH = 12",
    "primary_key=True, foreign_key='users.id'",
    'verdict: PASS {"verdict": "PASS", "critical_issues": []}',
    '{"status": "completed", "tests_passed": true, "files_changed": ["src/token.py"]}',
    '{"session_id": "0199d0a1-7b6e-7c1a-9d55-1f2e3d4c5b6a", "is_error": false}',
)
