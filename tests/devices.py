"""A mobile device to test with, as the gateway and the administrator see it."""
from organization import unique

DETAILS = {"type": "iPhone", "model": "iPhone 15", "os": "iOS 17.1", "os_language": "en-us", "user_agent": "Apple-iPhone15C4/2102.76",
           "imei": "356938035643809", "phone_number": "+41 31 123 45 67", "friendly_name": "Phone of Ann", "protocol_version": "16.1"}
# The default policy, and one with another value of each member.
POLICY = {"password_required": True, "allow_simple_password": True, "min_password_length": 4, "require_alphanumeric_password": False,
          "min_character_sets": 1, "max_failed_attempts": 8, "password_expiration_days": 0, "screen_lock_seconds": 300,
          "password_history": 0, "require_device_encryption": False, "require_storage_card_encryption": False}
STRICT = {"password_required": True, "allow_simple_password": False, "min_password_length": 8, "require_alphanumeric_password": True,
          "min_character_sets": 3, "max_failed_attempts": 6, "password_expiration_days": 90, "screen_lock_seconds": 120,
          "password_history": 5, "require_device_encryption": True, "require_storage_card_encryption": True}
REQUIRED, SUCCEEDED, TO_WIPE, WIPED = "PROVISIONING_REQUIRED", "PROVISIONING_SUCCEEDED", "WIPE_REQUIRED", "WIPE_SUCCEEDED"


def put_policy(org, expect=200, **members):
    return org.api.put(org.path + "/mobile-policy", expect=expect, json={**POLICY, **members})


class Device:
    """`api` of the organization is who asks; each call answers what came back."""

    def __init__(self, org, user, device_id=None):
        self.org, self.api, self.id = org, org.api, device_id or unique("device")
        self.path = org.user(user, "devices", self.id)

    def sync(self, expect=None, **details):
        """As the gateway does when it connects; whatever it answers, unless something is expected."""
        answer = self.api.request("PUT", self.path, **({"json_body": details} if details else {}))
        assert answer.status in (200, 201) if expect is None else expect in (answer.status, answer.body.get("code")), answer
        return answer

    def post(self, action, expect=200, **arguments):
        return self.api.post(f"{self.path}/{action}", expect=expect, **arguments)

    def wipe(self, expect=200):
        return self.post("wipe", expect)

    def cancel_wipe(self, expect=200):
        return self.post("cancel-wipe", expect)

    def ask_to_provision(self, expect=200):
        return self.post("provision", expect)

    def acknowledgement(self):
        return {"acknowledged": "PROVISION", "policy_key": self.sync()["policy_key"]}

    def acknowledge(self, expect=200, policy_key=None):
        json = {"acknowledged": "PROVISION", "policy_key": policy_key} if policy_key else self.acknowledgement()
        return self.post("acknowledge", expect, json=json)

    def acknowledge_wipe(self, expect=200):
        return self.post("acknowledge", expect, json={"acknowledged": "WIPE"})

    def provision(self):
        """Applies the present policy."""
        return self.acknowledge()

    def remove(self, expect=204):
        return self.api.delete(self.path, expect=expect)

    def look(self):
        return self.api.get(self.path).body

    @property
    def status(self):
        return self.look()["status"]
