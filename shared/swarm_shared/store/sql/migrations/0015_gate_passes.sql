-- Merged results that have passed the gate, alone or as part of a batch.
CREATE TABLE gate_passes (
    tree  TEXT PRIMARY KEY,                    -- git's id of the files
    gate  TEXT NOT NULL,                       -- what ran: a hash of the commands and the task's variables
    tasks TEXT NOT NULL,                       -- ids of the tasks that were tested together, JSON list
    at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
