-- With which options a conversation was answered last, so that it goes on with them in another run of a program.

ALTER TABLE conversations ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';
