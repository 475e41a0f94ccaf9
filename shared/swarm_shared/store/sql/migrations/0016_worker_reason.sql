-- It says why a worker waits, stopped or crashed, as the field of the same name does elsewhere.
ALTER TABLE workers RENAME COLUMN remark TO reason;
