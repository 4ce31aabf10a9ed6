"""What the administrator guide says, chapter by chapter, and the tests that show that it holds here."""
import ast
import pathlib

import pytest

TESTS = pathlib.Path(__file__).resolve().parents[1]
# chapter and section → what is said there → the test
GUIDE = {
    ("Working with users", "Create new users"): {
        "a user has first, last, user and display name, then an address and a password":
            "api/test_users_create.py::test_user_with_password_is_enabled_with_mailbox_and_address"},
    ("Working with users", "Enable existing users"): {
        "a user of the directory is enabled with a primary address":
            "api/test_users_state.py::test_enabling_makes_mailbox_and_default_address",
        "several users are enabled at once": "api/test_several_at_once.py::test_several_are_enabled_and_disabled_in_one_request",
        "enabled, disabled and system users are listed":
            "api/test_entities_alike.py::test_built_in_accounts_are_listed_and_never_changed"},
    ("Working with users", "Edit user email addresses"): {
        "a user has several addresses": "api/test_addresses.py::test_alias_is_added_once",
        "one of them is the default": "api/test_addresses.py::test_old_primary_address_becomes_an_alias",
        "there are at most 100 aliases": "api/test_addresses.py::test_hundred_aliases_and_no_more"},
    ("Working with users", "Edit user details"): {
        "all details can be edited": "api/test_users_update.py::test_only_what_is_named_changes"},
    ("Working with users", "Reset user passwords"): {
        "the administrator sets a new password":
            "api/test_passwords.py::test_fit_password_is_stored_as_a_slow_hash_that_verifies",
        "password policies are enforced": "api/test_passwords.py::test_unfit_password_is_refused_when_resetting_and_creating"},
    ("Working with users", "Disable user mailboxes"): {
        "a mailbox is kept for 30 days": "api/test_users_state.py::test_disabling_keeps_the_mailbox_for_thirty_days",
        "then it is removed for good": "api/test_purge.py::test_mailbox_is_purged_and_addresses_become_free",
        "several users are disabled at once": "api/test_several_at_once.py::test_several_are_enabled_and_disabled_in_one_request"},
    ("Working with users", "Restore disabled mailboxes"): {
        "enabling restores the mailbox": "api/test_users_state.py::test_restoring_gives_back_mailbox_addresses_and_password",
        "a user made anew gets nothing back":
            "api/test_users_state.py::test_addresses_of_a_deleted_user_are_not_free_and_the_name_restores_nothing",
        "nothing is restored in a deleted organization": "api/test_purge.py::test_deleted_organization_has_nothing_left_to_purge"},
    ("Working with groups", "Working with groups"): {
        "a group receives mail for an address of its own":
            "api/test_groups.py::test_group_with_an_address_is_enabled_at_once",
        "a group can be used without an address": "api/test_groups.py::test_group_without_address_is_disabled"},
    ("Working with groups", "Create a group"): {
        "enabled, disabled and system groups are listed":
            "api/test_entities_alike.py::test_built_in_accounts_are_listed_and_never_changed",
        "a group has a name and an address": "api/test_groups.py::test_group_with_an_address_is_enabled_at_once",
        "members are users and groups": "api/test_group_members.py::test_users_and_groups_are_members",
        "users and groups are found by their names": "api/test_groups.py::test_filters_and_orders"},
    ("Working with groups", "Enable an existing group"): {
        "a group of the directory is enabled with a primary address":
            "api/test_entities_alike.py::test_enabling_gives_the_default_address_or_the_one_asked_for",
        "several groups are enabled at once": "api/test_several_at_once.py::test_several_are_enabled_and_disabled_in_one_request"},
    ("Working with groups", "Disable a group"): {
        "a group is disabled": "api/test_entities_alike.py::test_enabling_or_disabling_again_changes_nothing",
        "several groups are disabled at once": "api/test_several_at_once.py::test_several_are_enabled_and_disabled_in_one_request"},
    ("Working with resources", "Create a resource"): {
        "a resource has name, description, type and address, and can be booked at once":
            "api/test_resources.py::test_resource_is_enabled_at_once_with_the_default_options"},
    ("Working with resources", "Edit a resource"): {
        "name, description, type and address can be edited": "api/test_resources.py::test_all_details_can_be_edited",
        "all requests, recurring ones, conflicting ones are accepted or declined by themselves":
            "api/test_resources.py::test_decline_rules_come_first_then_acceptance_then_the_delegates",
        "acceptance is cleared before a delegate is added": "api/test_resources.py::test_delegate_needs_acceptance_off_first",
        "users and groups are delegates": "api/test_resources.py::test_users_and_groups_are_delegates_and_nothing_else"},
    ("Working with resources", "Remove a resource"): {
        "a resource is removed without further ado":
            "api/test_resources.py::test_enabled_resource_is_removed_at_once_and_its_address_stays_in_quarantine",
        "several resources are removed at once": "api/test_several_at_once.py::test_several_resources_are_removed_in_one_request"},
}


def functions_in(path):
    return {node.name for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("test", sorted({test for rules in GUIDE.values() for test in rules.values()}))
def test_what_the_guide_says_has_its_test(test):
    file, _, name = test.partition("::")
    assert name in functions_in(TESTS / file)
