-- Checks of mail domains that somebody waits for are found beside any number of others that are due.

CREATE INDEX mail_domain_awaited ON mail_domain (next_check_at) WHERE check_attempts < 5 AND next_check_at IS NOT NULL;
