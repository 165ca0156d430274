-- +goose Up
-- When the submission was last given: an older one that arrives late changes nothing.
ALTER TABLE submissions ADD COLUMN updated_at BIGINT NOT NULL DEFAULT 0;

-- What was chosen and what was suggested once more, a row for each, to filter by and to count. Migration 3, written in
-- Go, fills it from the submissions that are there.
CREATE TABLE choices (
    submission TEXT NOT NULL REFERENCES submissions (id) ON DELETE CASCADE,
    question   TEXT NOT NULL, -- one of the five, or "ministry"
    value      TEXT NOT NULL,
    PRIMARY KEY (submission, question, value)
);
CREATE INDEX choices_by_value ON choices (question, value, submission);

-- +goose Down
DROP TABLE choices;
ALTER TABLE submissions DROP COLUMN updated_at;
