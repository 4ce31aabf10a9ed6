"""The rules of addresses beside a small model: who has which, which is the primary one, what is refused."""
import random
import urllib.parse

import pytest

from checks import check_consistency
from organization import id_of

NAMES = {"ann": "user", "bob": "user", "cay": "user", "dee": "group", "eve": "group", "fay": "resource"}
LOCAL_PARTS = [*NAMES, "sales", "info", "post"]


class Model:
    """Entities are called by their name; what is deleted keeps its addresses for nobody."""

    def __init__(self):
        self.owner, self.primary = {}, {name: None for name in NAMES}
        self.enabled = set()

    def take(self, name, address, primary):
        """What becomes of an address that `name` wants to have."""
        if self.owner.get(address, name) != name:
            return "email_address_in_use"
        is_new = address not in self.owner
        self.owner[address] = name
        if primary:
            self.primary[name] = address
        return 201 if is_new and not primary else 200

    def add(self, name, address):
        return self.take(name, address, False) if name in self.enabled else "entity_state"

    def make_primary(self, name, address):
        return self.take(name, address, True) if name in self.enabled else "entity_state"

    def remove(self, name, address):
        if name not in self.enabled:
            return "entity_state"
        if self.primary[name] == address:
            return "primary_address"
        if self.owner.get(address) == name:
            del self.owner[address]
        return 204

    def enable(self, name, address):
        if name in self.enabled:
            return 200
        answer = self.take(name, address or self.primary[name] or name, True)
        if answer == 200:
            self.enabled.add(name)
            if NAMES[name] == "user":
                self.owner.setdefault(name, name)  # its name in the test domain, if that is free
        return answer

    def disable(self, name, _):
        self.enabled.discard(name)
        return 200

    def delete(self, name, _):
        if name in self.enabled:
            return "entity_state"
        self.owner = {address: owner if owner != name else None for address, owner in self.owner.items()}
        self.primary[name] = None
        return 204

    def of(self, name):
        return {address for address, owner in self.owner.items() if owner == name}


@pytest.mark.parametrize("seed", range(4))
def test_addresses_are_what_a_small_model_says(service, org, seed):
    choice, model = random.Random(seed), Model()
    make = {"user": org.create_user, "group": org.create_group, "resource": org.create_resource}
    there = {name: make[kind](name) for name, kind in NAMES.items()}
    assert model.enable("fay", None) == 200  # a resource is made with an address
    acts = {"add": 6, "remove": 3, "make_primary": 4, "enable": 4, "disable": 2, "delete": 1}
    seen = set()

    def ask(act, name, local_part):
        path, email = org.of(there[name]), local_part and choice.choice([local_part, local_part.upper(), f"{local_part}@{org.domain}"])
        body = [{"email": email}] if email else []
        if act == "remove":
            return org.api.request("DELETE", f"{path}/aliases/{urllib.parse.quote(f'{local_part}@{org.domain}')}")
        if act == "delete":
            return org.api.request("DELETE", path)
        if act == "make_primary":
            return org.api.request("PUT", path + "/primary-email", *body)
        return org.api.request("POST", path + {"add": "/aliases"}.get(act, f"/{act}"), *body)

    for step in range(300):
        act, = choice.choices(list(acts), acts.values())
        name, local_part = choice.choice(list(NAMES)), choice.choice(LOCAL_PARTS)
        if act == "delete" and NAMES[name] == "resource":
            continue  # it needs an address to be made again
        if act in ("disable", "delete") or act == "enable" and choice.random() < 0.5:
            local_part = None
        expected = getattr(model, act)(name, local_part)
        answer = ask(act, name, local_part)
        assert (answer.status if answer.status < 400 else answer["code"]) == expected, (step, act, name, local_part, answer)
        seen.add((act, expected))
        if act == "delete" and expected == 204:
            there[name] = make[NAMES[name]](name)  # the same name, another entity
        check(org, model, there, [name] if step % 15 else NAMES)
    check_consistency(service)
    assert {act for act, _ in seen} == set(acts)
    assert {"email_address_in_use", "entity_state", 200, 201, 204} <= {answer for _, answer in seen}


def check(org, model, there, names):
    for name in names:
        entity, primary = org.look(there[name]), model.primary[name]
        assert entity["state"] == ("ENABLED" if name in model.enabled else "DISABLED"), name
        assert entity.get("email") == (primary and f"{primary}@{org.domain}"), name
        assert set(entity["aliases"]) == {f"{address}@{org.domain}" for address in model.of(name) - {primary}}, name
        assert id_of(entity) == id_of(there[name])
