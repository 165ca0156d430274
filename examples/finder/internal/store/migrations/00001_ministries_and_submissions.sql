-- +goose Up
CREATE TABLE ministries (
    key        TEXT    PRIMARY KEY,
    name       TEXT    NOT NULL,
    category   TEXT    NOT NULL,
    details    TEXT    NOT NULL,
    meets      TEXT    NOT NULL,
    place      TEXT    NOT NULL,
    commitment TEXT    NOT NULL,
    contact    TEXT    NOT NULL,
    audience   TEXT    NOT NULL, -- JSON: the five lists
    active     BOOLEAN NOT NULL
);

-- A submission is anonymous: it holds no address, no browser and no name.
CREATE TABLE submissions (
    id         TEXT   PRIMARY KEY, -- random
    created_at BIGINT NOT NULL,    -- milliseconds since 1970
    answers    TEXT   NOT NULL,    -- JSON
    ministries TEXT   NOT NULL     -- JSON: keys, the best first
);
CREATE INDEX submissions_by_time ON submissions (created_at);

-- +goose Down
DROP TABLE submissions;
DROP TABLE ministries;
