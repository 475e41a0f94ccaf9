-- What each route has cost so far.
CREATE TABLE route_spend (
    route   TEXT PRIMARY KEY,
    usd     REAL NOT NULL,
    tokens  INTEGER NOT NULL,
    priced  INTEGER NOT NULL,
    counted INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO route_spend (route, usd, tokens, priced, counted)
SELECT route, coalesce(sum(cost_usd), 0.0), coalesce(sum(tokens), 0), count(cost_usd), count(tokens) FROM sessions
WHERE route IS NOT NULL AND (cost_usd IS NOT NULL OR tokens IS NOT NULL) GROUP BY route;
CREATE TRIGGER session_paid AFTER UPDATE OF tokens, cost_usd ON sessions
WHEN new.route IS NOT NULL AND (new.tokens IS NOT old.tokens OR new.cost_usd IS NOT old.cost_usd) BEGIN
    INSERT INTO route_spend (route, usd, tokens, priced, counted)
    VALUES (new.route, coalesce(new.cost_usd, 0.0) - coalesce(old.cost_usd, 0.0),
            coalesce(new.tokens, 0) - coalesce(old.tokens, 0), (old.cost_usd IS NULL) - (new.cost_usd IS NULL),
            (old.tokens IS NULL) - (new.tokens IS NULL))
    ON CONFLICT DO UPDATE SET usd = usd + excluded.usd, tokens = tokens + excluded.tokens,
        priced = priced + excluded.priced, counted = counted + excluded.counted;
END;
