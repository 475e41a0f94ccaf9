-- Model and usage of each session; cached input beside all input.
ALTER TABLE attempts ADD COLUMN cached_tokens INTEGER;
ALTER TABLE sessions ADD COLUMN cli_session_id TEXT;
ALTER TABLE sessions ADD COLUMN models TEXT;
ALTER TABLE sessions ADD COLUMN tokens INTEGER;
ALTER TABLE sessions ADD COLUMN cached_tokens INTEGER;
ALTER TABLE sessions ADD COLUMN cost_usd REAL;
