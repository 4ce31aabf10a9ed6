-- Groups and resources beside users.

UPDATE job SET kind = 'entity_purge' WHERE kind = 'user_purge';
