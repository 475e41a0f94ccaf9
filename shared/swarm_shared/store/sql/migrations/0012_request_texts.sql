-- Texts to import, kept beside their requests until these have an outcome.
CREATE TABLE request_texts (
    control INTEGER PRIMARY KEY REFERENCES control (id) ON DELETE CASCADE,
    body    TEXT NOT NULL
) STRICT;
CREATE TRIGGER request_text_done AFTER UPDATE OF status ON control WHEN new.status <> 'pending' BEGIN
    DELETE FROM request_texts WHERE control = new.id;
END;
