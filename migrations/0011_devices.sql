-- Mobile devices beside the mobile device policy.

CREATE TABLE mobile_device (
    organization_id text COLLATE "C" NOT NULL,
    entity_id uuid NOT NULL,
    device_id text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL DEFAULT 'PROVISIONING_REQUIRED' CONSTRAINT mobile_device_status CHECK (status IN
        ('PROVISIONING_REQUIRED', 'PROVISIONING_SUCCEEDED', 'WIPE_REQUIRED', 'WIPE_SUCCEEDED')),
    type text,
    model text,
    os text,
    os_language text,
    user_agent text,
    imei text,
    phone_number text,
    friendly_name text,
    protocol_version text,
    last_sync_at timestamptz NOT NULL DEFAULT now(),
    wipe_requested_at timestamptz,
    wiped_at timestamptz,
    policy_version bigint,
    policy_key text COLLATE "C",
    policy_applied_at timestamptz,
    provisioning_round bigint NOT NULL DEFAULT 1,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organization_id, entity_id, device_id),
    CONSTRAINT mobile_device_provisioned CHECK (status <> 'PROVISIONING_SUCCEEDED' OR policy_version IS NOT NULL),
    CONSTRAINT mobile_device_wipe_requested CHECK (status <> 'WIPE_REQUIRED' OR wipe_requested_at IS NOT NULL),
    CONSTRAINT mobile_device_wiped CHECK (status <> 'WIPE_SUCCEEDED' OR wiped_at IS NOT NULL),
    FOREIGN KEY (organization_id, entity_id) REFERENCES mailbox (organization_id, entity_id) ON DELETE CASCADE
) WITH (fillfactor = 85);
COMMENT ON TABLE mobile_device IS 'Devices that synchronize the mailbox of a user; they go when it is purged.';
COMMENT ON COLUMN mobile_device.status IS 'PROVISIONING_SUCCEEDED counts only as long as policy_version is the version of the organization''s mobile_policy: a change of the policy touches no device.';
COMMENT ON COLUMN mobile_device.policy_version IS 'Of the mobile_policy that the device applied last.';
COMMENT ON COLUMN mobile_device.policy_key IS 'What it acknowledged that policy with.';
COMMENT ON COLUMN mobile_device.provisioning_round IS 'Counts how often it was asked to apply the policy anew: an acknowledgement from before is not one of now.';
