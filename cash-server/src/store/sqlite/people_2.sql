-- What users and keys may: a role, and a node of the network whose id it holds at and below; none: everywhere. Who was
-- there before could do everything.
ALTER TABLE user ADD COLUMN role TEXT NOT NULL DEFAULT 'administrator';
ALTER TABLE user ADD COLUMN place TEXT;
ALTER TABLE api_key ADD COLUMN role TEXT NOT NULL DEFAULT 'administrator';
ALTER TABLE api_key ADD COLUMN place TEXT;
