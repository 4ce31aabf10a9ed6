"""What the administrator guide says, chapter by chapter, and the tests that show that it holds here."""
import ast
import pathlib

import pytest

TESTS = pathlib.Path(__file__).resolve().parents[1]
# chapter and section → what is said there → the test
GUIDE = {
    ("Working with users", "Working with users"): {
        "users are created": "api/test_users_create.py::test_user_without_mailbox_is_a_disabled_directory_entry",
        "users are removed": "api/test_users_update.py::test_deleted_user_stays_describable_and_deleting_again_succeeds",
        "their passwords are reset": "api/test_passwords.py::test_fit_password_is_stored_as_a_slow_hash_that_verifies"},
    ("Working with users", "Create new users"): {
        "a new user has a mailbox": "api/test_users_create.py::test_user_with_password_is_enabled_with_mailbox_and_address",
        "enabled, disabled and system users are listed":
            "api/test_entities_alike.py::test_built_in_accounts_are_listed_and_never_changed",
        "first there are names": "api/test_users_create.py::test_all_details_are_kept_as_they_were_given",
        "then address and password": "api/test_users_create.py::test_default_address_is_name_at_default_domain"},
    ("Working with users", "Edit user email addresses"): {
        "a user has several addresses": "api/test_addresses.py::test_alias_is_added_once",
        "one of them is the default, which mail is sent from": "api/test_addresses.py::test_list_has_the_primary_address_too",
        "an alias may be of another domain": "api/test_addresses.py::test_alias_may_be_of_any_verified_domain_of_the_organization",
        "an alias does not become the sender unless it is made the default":
            "api/test_addresses.py::test_old_primary_address_becomes_an_alias",
        "a new address is set as the default": "api/test_addresses.py::test_new_address_may_become_the_primary_one_directly",
        "there are at most 100 aliases": "api/test_addresses.py::test_hundred_aliases_and_no_more"},
    ("Working with users", "Enable existing users"): {
        "users that a directory has are enabled": "api/test_directories.py::test_user_of_a_kept_directory_gets_another_mailbox_and_address",
        "enabled, disabled and system users are listed":
            "api/test_entities_alike.py::test_built_in_accounts_are_listed_and_never_changed",
        "the primary address is reviewed": "api/test_users_state.py::test_enabling_with_another_address_adds_the_name_as_alias",
        "who is enabled has a mailbox": "api/test_users_state.py::test_enabling_makes_mailbox_and_default_address",
        "several users are enabled at once": "api/test_several_at_once.py::test_several_are_enabled_and_disabled_in_one_request"},
    ("Working with users", "Edit user details"): {
        "names, address, telephone and company details can be edited":
            "api/test_users_update.py::test_every_detail_is_set_changed_and_cleared",
        "what is not edited stays": "api/test_users_update.py::test_only_what_is_named_changes",
        "the email address can be edited": "api/test_addresses.py::test_new_address_may_become_the_primary_one_directly"},
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
        "after 30 days there is nothing to restore": "api/test_purge.py::test_enabling_after_the_purge_makes_another_mailbox",
        "until then there is": "api/test_purge.py::test_restored_in_time_nothing_is_purged",
        "the user must still be there": "api/test_users_update.py::test_deleted_user_takes_no_part_in_anything",
        "a user made anew gets nothing back":
            "api/test_users_state.py::test_addresses_of_a_deleted_user_are_not_free_and_the_name_restores_nothing",
        "a mailbox belongs to one user id": "api/test_users_state.py::test_mailbox_of_another_user_is_another",
        "the primary address is reviewed": "api/test_users_state.py::test_restoring_with_another_address_makes_that_the_primary_one",
        "nothing is restored in a deleted organization": "api/test_purge.py::test_deleted_organization_has_nothing_left_to_purge"},
    ("Working with groups", "Working with groups"): {
        "a group receives mail for an address of its own":
            "api/test_groups.py::test_group_with_an_address_is_enabled_at_once",
        "a group stands for all who are in it, for mail and for permissions":
            "api/test_group_members.py::test_graph_is_what_a_small_model_says",
        "a new group comes into the address book (here at once)":
            "api/test_search.py::test_hiding_showing_disabling_and_enabling_are_seen_in_the_address_book_at_once",
        "a group can be used without an address": "api/test_groups.py::test_group_without_address_is_disabled"},
    ("Working with groups", "Create a group"): {
        "enabled, disabled and system groups are listed":
            "api/test_entities_alike.py::test_built_in_accounts_are_listed_and_never_changed",
        "a group has a name and an address": "api/test_groups.py::test_group_with_an_address_is_enabled_at_once",
        "members are searched by first, last, user and group name":
            "api/test_search.py::test_users_and_groups_are_found_by_names_and_addresses",
        "members are users and groups": "api/test_group_members.py::test_users_and_groups_are_members"},
    ("Working with groups", "Enable an existing group"): {
        "groups that a directory has are enabled": "api/test_group_members.py::test_memberships_come_back_with_a_kept_directory",
        "enabled, disabled and system groups are listed":
            "api/test_entities_alike.py::test_built_in_accounts_are_listed_and_never_changed",
        "the primary address is reviewed":
            "api/test_entities_alike.py::test_enabling_gives_the_default_address_or_the_one_asked_for",
        "several groups are enabled at once": "api/test_several_at_once.py::test_several_are_enabled_and_disabled_in_one_request"},
    ("Working with groups", "Disable a group"): {
        "a group is disabled": "api/test_entities_alike.py::test_enabling_or_disabling_again_changes_nothing",
        "several groups are disabled at once": "api/test_several_at_once.py::test_several_are_enabled_and_disabled_in_one_request"},
    ("Working with resources", "Working with resources"): {
        "rooms and equipment are reserved by a request": "api/test_resources.py::test_decision_of_a_request_without_members_is_that_of_a_plain_one"},
    ("Working with resources", "Create a resource"): {
        "a resource has name, description, type and address, and can be booked at once":
            "api/test_resources.py::test_resource_is_enabled_at_once_with_the_default_options"},
    ("Working with resources", "Edit a resource"): {
        "name, description, type and address can be edited": "api/test_resources.py::test_all_details_can_be_edited",
        "booking options can be edited": "api/test_resources.py::test_part_of_the_options_changes_and_the_rest_stays",
        "all requests, recurring ones, conflicting ones are accepted or declined by themselves":
            "api/test_resources.py::test_decline_rules_come_first_then_acceptance_then_the_delegates",
        "delegates decide on requests": "api/test_resources.py::test_decline_rules_come_first_then_acceptance_then_the_delegates",
        "acceptance is cleared before a delegate is added": "api/test_resources.py::test_delegate_needs_acceptance_off_first",
        "users and groups are delegates": "api/test_resources.py::test_users_and_groups_are_delegates_and_nothing_else"},
    ("Working with resources", "Remove a resource"): {
        "a resource is removed without further ado":
            "api/test_resources.py::test_enabled_resource_is_removed_at_once_and_its_address_stays_in_quarantine",
        "several resources are removed at once": "api/test_several_at_once.py::test_several_resources_are_removed_in_one_request"},
    ("Interoperability", "Prerequisites"): {
        "availability settings need an enabled user": "api/test_availability.py::test_beside_exchange_a_user_is_enabled_first",
        "the EWS URL is asked by HTTPS, and its certificate is of a valid authority":
            "api/test_availability.py::test_certificates_are_verified"},
    ("Interoperability", "Configure availability settings"): {
        "they have domain, EWS URL, and the service account's name and password":
            "api/test_availability.py::test_only_what_succeeds_is_taken_unless_the_test_is_skipped",
        "the password is encrypted": "api/test_availability.py::test_password_shows_nowhere"},
    ("Interoperability", "Troubleshooting"): {
        "the EWS URL is invalid": "api/test_availability.py::test_bad_input_is_refused_untested",
        "the EWS URL is unreachable, the connection fails":
            "api/test_availability.py::test_server_that_cannot_be_reached_is_told_apart",
        "user name or password are invalid": "api/test_availability.py::test_wrong_password_is_told_with_the_hints_of_the_guide"},
    ("Best practices", "Use AutoDiscover to configure endpoints"): {
        "mobile clients and Outlook are configured with address and password alone":
            "api/test_autodiscover.py::test_exchangelib_completes_autodiscover",
        "an unauthenticated GET is answered with a redirect to an HTTPS endpoint":
            "api/test_autodiscover.py::test_get_leads_to_the_endpoint_of_the_region",
        "the path is asked for in capital and small letters": "api/test_autodiscover.py::test_case_of_the_path_does_not_matter"},
    ("Best practices", "AutoDiscover phase 2 troubleshooting"): {
        "a request without credential is answered 401, a mobile device's with its server":
            "api/test_autodiscover.py::test_guides_request_works_by_curl_as_it_is_printed"},
}
# What these chapters consist of: each section that states behaviour has its rows.
CHAPTERS = {
    "Working with users": ["Working with users", "Create new users", "Edit user email addresses", "Enable existing users", "Edit user details",
                           "Reset user passwords", "Disable user mailboxes", "Restore disabled mailboxes"],
    "Working with groups": ["Working with groups", "Create a group", "Enable an existing group", "Disable a group"],
    "Working with resources": ["Working with resources", "Create a resource", "Edit a resource", "Remove a resource"],
    "Interoperability": ["Prerequisites", "Configure availability settings", "Troubleshooting"],
    "Best practices": ["Use AutoDiscover to configure endpoints", "AutoDiscover phase 2 troubleshooting"],
}


def functions_in(path):
    return {node.name for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("test", sorted({test for rules in GUIDE.values() for test in rules.values()}))
def test_what_the_guide_says_has_its_test(test):
    file, _, name = test.partition("::")
    assert name in functions_in(TESTS / file)


@pytest.mark.parametrize("chapter,section", [(chapter, section) for chapter, sections in CHAPTERS.items() for section in sections])
def test_every_section_of_the_guide_has_its_rows(chapter, section):
    assert GUIDE[chapter, section]
