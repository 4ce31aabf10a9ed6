-- The installation's own account.

ALTER TABLE account ADD COLUMN is_operator boolean NOT NULL DEFAULT false;
CREATE UNIQUE INDEX account_operator_key ON account (is_operator) WHERE is_operator;
COMMENT ON COLUMN account.is_operator IS 'Made by the first start of the installation, for who operates it: what is of the whole installation is shown to its identities alone.';

-- The first start makes an account that is not on trial, and none when there is one already.
UPDATE account SET is_operator = true WHERE account_id =
    (SELECT account_id FROM account WHERE NOT is_trial ORDER BY created_at, account_id LIMIT 1);
