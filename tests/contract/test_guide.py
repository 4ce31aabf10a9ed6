"""What the administrator guide says, chapter by chapter, and the tests that show that it holds here."""
import ast
import pathlib

import pytest

TESTS = pathlib.Path(__file__).resolve().parents[1]
# chapter and section → what is said there → the test
GUIDE = {
    ("Working with users", "Working with users"): {
        "their mobile devices are wiped": "api/test_mobile_devices.py::test_wipe_warns_and_stays_until_the_device_connects",
        "users are created": "api/test_users_create.py::test_user_without_mailbox_is_a_disabled_directory_entry",
        "users are removed": "api/test_users_update.py::test_deleted_user_stays_describable_and_deleting_again_succeeds",
        "their passwords are reset": "api/test_passwords.py::test_fit_password_is_stored_as_a_slow_hash_that_verifies"},
    ("Working with users", "Create new users"): {
        "a new user has a mailbox": "api/test_users_create.py::test_user_with_password_is_enabled_with_mailbox_and_address",
        "users of a directory that the company has appear by themselves":
            "api/test_external_directories.py::test_each_kind_of_change_is_seen_within_a_second",
        "the address that the directory suggests is taken":
            "api/test_external_directories.py::test_what_the_directory_has_is_changed_there",
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
    ("Working with domains", "Working with domains"): {
        "domains are added": "api/test_domains.py::test_new_domain_is_pending_and_lists_its_records",
        "domains are removed": "api/test_domains.py::test_removed_domain_is_gone_with_its_records",
        "one is made the default": "api/test_domains.py::test_new_addresses_are_in_the_default_domain_and_old_ones_stay"},
    ("Working with domains", "Add a domain"): {
        "there are at most 100": "api/test_domains.py::test_there_are_as_many_as_the_limit_says",
        "a sending authorization policy comes with the domain": "api/test_domains.py::test_domain_is_made_with_a_policy_that_allows_everything",
        "a final period keeps providers from doubling the name": "api/test_domains.py::test_zone_file_has_absolute_names",
        "postmaster@ and abuse@ should be there": "api/test_domains.py::test_advice_goes_once_the_addresses_are_there",
        "TXT, MX, autodiscover and DKIM records are listed, with a TTL of 3600":
            "api/test_domains.py::test_new_domain_is_pending_and_lists_its_records"},
    ("Working with domains", "Remove a domain"): {
        "not while users or groups have addresses in it": "api/test_domains.py::test_domain_with_addresses_is_not_removed_and_says_whose",
        "its name is repeated": "api/test_domains.py::test_removal_is_confirmed_by_the_name"},
    ("Working with domains", "Choose the default domain"): {
        "new addresses are in it, those that are there do not change":
            "api/test_domains.py::test_new_addresses_are_in_the_default_domain_and_old_ones_stay"},
    ("Working with domains", "Verifying domains"): {
        "a TXT record proves the ownership": "api/test_domain_ownership.py::test_proof_makes_it_verified_and_writes_an_event",
        "a domain whose record is not found has failed": "api/test_domain_ownership.py::test_domain_without_proof_is_pending_until_its_time_is_over",
        "several may want to verify it (here one owns it)": "api/test_domain_ownership.py::test_the_first_of_two_owns_it_and_the_other_is_told"},
    ("Working with domains", "Editing domain identity policies"): {
        "the policy can be edited": "api/test_domains.py::test_policy_is_changed_and_its_own_document_is_accepted",
        "redirection needs ses:*": "api/test_domains.py::test_what_the_mail_service_loses_is_a_warning",
        "incorrect settings have an adverse effect, which is said": "api/test_domains.py::test_what_the_mail_service_loses_is_a_warning"},
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
        "the directory is that of an AD Connector": "api/test_interoperability.py::test_organization_is_created_with_it_on_such_a_directory_only",
        "DNS records must not point here": "api/test_interoperability.py::test_records_of_domains_are_looked_at_anew_when_it_begins_and_ends",
        "the EWS URL is asked by HTTPS, and its certificate is of a valid authority":
            "api/test_availability.py::test_certificates_are_verified"},
    ("Interoperability", "Add Domains and Enable Mailboxes"): {
        "domains are added": "api/test_interoperability.py::test_settings_and_domains_stay_here",
        "users and groups are enabled": "api/test_interoperability.py::test_users_and_groups_are_enabled_and_disabled",
        "resources are not, and are listed among users": "api/test_interoperability.py::test_room_of_exchange_is_listed_among_users_and_not_enabled"},
    ("Interoperability", "Enable Interoperability"): {
        "when the organization is created": "api/test_interoperability.py::test_organization_is_created_with_it_on_such_a_directory_only",
        "or later, by the operator": "api/test_interoperability.py::test_the_operator_enables_it_for_an_organization_with_a_connected_directory"},
    ("Interoperability", "Enable Email Routing for a User"): {
        "addresses in both domains are added": "api/test_interoperability.py::test_address_in_the_test_domain_comes_with_the_mailbox"},
    ("Interoperability", "Limitations in Interoperability Mode"): {
        "users, groups and resources are managed in Exchange, addresses too":
            "api/test_interoperability.py::test_what_is_managed_in_exchange_is_refused_with_where_to_do_it",
        "users and groups are enabled here": "api/test_interoperability.py::test_users_and_groups_are_enabled_and_disabled",
        "all of Exchange is in the address book": "api/test_interoperability.py::test_address_book_has_the_whole_directory_until_the_end"},
    ("Interoperability", "Disabling Interoperability and Decommissioning Your Mail Server"): {
        "it cannot be undone": "api/test_interoperability.py::test_disabling_is_confirmed_and_for_good",
        "what is not enabled leaves the address book, and comes back by enabling":
            "api/test_interoperability.py::test_address_book_has_the_whole_directory_until_the_end",
        "resources are created here then": "api/test_interoperability.py::test_resources_and_addresses_are_of_here_afterwards",
        "without it nothing changes": "api/test_interoperability.py::test_if_there_is_nothing_to_disable_nothing_changes",
        "records of domains point here then": "api/test_interoperability.py::test_records_of_domains_are_looked_at_anew_when_it_begins_and_ends"},
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
    ("Working with organizations", "Edit your organization's mobile device policy"): {
        "an organization has a default policy": "api/test_mobile_policy.py::test_new_organization_has_the_default_policy",
        "it changes what devices must do": "api/test_mobile_devices.py::test_new_policy_moves_devices_that_are_not_to_be_wiped",
        "any of its members can be updated": "api/test_mobile_policy.py::test_each_member_can_be_set",
        "a password is required":
            "api/test_mobile_policy.py::test_lock_that_is_off_and_passwords_that_are_not_required_are_left_out",
        "a PIN may be the password": "api/test_mobile_policy.py::test_each_member_of_the_policy_has_its_element",
        "a password has a least length": "api/test_mobile_policy.py::test_bounds",
        "a password is made of letters and digits": "api/test_mobile_policy.py::test_contradictions_are_refused_all_at_once",
        "so many sets of characters are in it": "api/test_mobile_policy.py::test_contradictions_are_refused_all_at_once",
        "so many attempts may fail": "api/test_mobile_policy.py::test_each_member_of_the_policy_has_its_element",
        "a password expires after days": "api/test_mobile_policy.py::test_each_member_of_the_policy_has_its_element",
        "the screen locks after seconds without input":
            "api/test_mobile_policy.py::test_lock_that_is_off_and_passwords_that_are_not_required_are_left_out",
        "so many passwords come before one comes again": "api/test_mobile_policy.py::test_each_member_of_the_policy_has_its_element",
        "mail on the device is encrypted": "api/test_mobile_policy.py::test_without_a_password_the_rest_may_be_asked_for",
        "mail on removable storage is encrypted": "api/test_mobile_policy.py::test_each_member_of_the_policy_has_its_element"},
    ("Working with mobile devices", "Remotely wipe mobile devices"): {
        "a wipe is done when the device connects":
            "api/test_mobile_devices.py::test_wipe_warns_and_stays_until_the_device_connects",
        "who asks is warned that most devices lose everything":
            "api/test_mobile_devices.py::test_wipe_warns_and_stays_until_the_device_connects",
        "the status tells that the wipe is requested": "api/test_mobile_devices.py::test_each_way_from_each_status",
        "a wiped device can be removed from the list":
            "api/test_mobile_devices.py::test_removed_device_that_connects_again_is_new",
        "one that is still in the list is wiped again":
            "api/test_mobile_devices.py::test_wipe_warns_and_stays_until_the_device_connects"},
    ("Working with mobile devices", "Remove a user's mobile devices from the devices list"): {
        "a device that is not used any more can be removed":
            "api/test_mobile_devices.py::test_removed_device_that_connects_again_is_new",
        "configured again it is in the list": "api/test_mobile_devices.py::test_removed_device_that_connects_again_is_new"},
    ("Working with mobile devices", "View mobile device details"): {
        "the details of a device are shown": "api/test_mobile_devices.py::test_device_that_connects_shows_up_in_the_list",
        "what a device did not send is not": "api/test_mobile_devices.py::test_details_that_a_device_did_not_send_are_absent",
        "an administrator or the user asks for provisioning": "api/test_mobile_devices.py::test_each_way_from_each_status",
        "a changed policy must be applied": "api/test_mobile_devices.py::test_new_policy_moves_devices_that_are_not_to_be_wiped",
        "a device that applied the policy is provisioned":
            "api/test_mobile_devices.py::test_gateway_gets_the_policy_and_its_key",
        "the wipe that an administrator asked for is shown": "api/test_mobile_devices.py::test_each_way_from_each_status",
        "so is that it is done": "api/test_mobile_devices.py::test_wipe_warns_and_stays_until_the_device_connects"},
    ("Managing Email Flows", "Managing Email Flows"): {
        "rules apply to mail of a sender's address or domain": "api/test_flow_rules.py::test_rule_is_created_described_listed_changed_and_removed",
        "to mail to anyone inside the organization": "api/test_flow_rules.py::test_rules_of_another_organization_do_not_apply"},
    ("Managing Email Flows", "Rule Actions"): {
        "five actions": "api/test_flow_rules.py::test_each_action_of_the_guide",
        "normal delivery makes exceptions by a more specific pattern":
            "api/test_flow_rules.py::test_overlap_with_a_rule_that_loses_mail_is_told_to_both",
        "bypassing the spam check is dangerous": "api/test_flow_rules.py::test_bypassing_the_spam_check"},
    ("Managing Email Flows", "Sender Patterns"): {
        "addresses, domains, wildcards in front": "api/test_flow_rules.py::test_each_form_of_pattern",
        "a rule has several patterns": "api/test_flow_rules.py::test_every_match_that_loses_says_why",
        "Sender is matched before From": "api/test_flow_rules.py::test_sender_comes_before_from",
        "the most specific rule applies, then the most restrictive action": "api/test_flow_rules.py::test_every_match_that_loses_says_why",
        "care is to be taken with overlapping patterns of Drop and Bounce":
            "api/test_flow_rules.py::test_overlap_with_a_rule_that_loses_mail_is_told_to_both"},
    ("Managing Email Flows", "Creating an Email Flow Rule"): {
        "name, action and patterns": "api/test_flow_rules.py::test_what_is_needed_is_named",
        "it applies at once": "api/test_flow_rules.py::test_rules_apply_at_once"},
    ("Managing Email Flows", "Testing an Email Flow Rule"): {
        "the rules are tested with a sender": "api/test_flow_rules.py::test_every_match_that_loses_says_why"},
    ("Managing Email Flows", "Modifying an Email Flow Rule"): {
        "a rule is edited": "api/test_flow_rules.py::test_rule_is_created_described_listed_changed_and_removed",
        "it applies at once": "api/test_flow_rules.py::test_rules_apply_at_once"},
    ("Managing Email Flows", "Removing an Email Flow Rule"): {
        "a rule is removed": "api/test_flow_rules.py::test_rule_is_created_described_listed_changed_and_removed",
        "it applies no more at once": "api/test_flow_rules.py::test_rules_apply_at_once"},
    ("Using Email Journaling", "Using Journaling"): {
        "records go to one address, failures are told to another": "api/test_settings.py::test_journaling_is_switched_on_and_off_at_once",
        "both are needed": "api/test_settings.py::test_journaling_needs_two_whole_addresses",
        "records come from an address of the organization": "api/test_settings.py::test_journaling_is_off_and_its_sender_is_in_the_test_domain",
        "nobody can have that address or name": "api/test_settings.py::test_sender_of_records_can_be_nobody"},
    ("Migrating", "Step 2: Migrate"): {
        "the migration administrator is the user migration_admin":
            "api/test_settings.py::test_without_a_choice_nobody_or_the_enabled_migration_admin_is_it",
        "or one who is chosen": "api/test_settings.py::test_migration_administrator_is_chosen_by_id_or_name",
        "who is enabled": "api/test_settings.py::test_migration_administrator_is_an_enabled_user_of_the_organization"},
    ("Unsupported Attachment Types", "Unsupported Attachment Types"): {
        "all types are accepted but those listed": "api/test_attachments.py::test_names_that_are_accepted",
        "the list": "api/test_attachments.py::test_list_is_that_of_the_guide",
        "files with these extensions are not": "api/test_attachments.py::test_each_extension_of_the_guide_is_refused_in_any_case"},
}
# What these chapters consist of: each section that states behaviour has its rows.
CHAPTERS = {
    "Working with users": ["Working with users", "Create new users", "Edit user email addresses", "Enable existing users", "Edit user details",
                           "Reset user passwords", "Disable user mailboxes", "Restore disabled mailboxes"],
    "Working with groups": ["Working with groups", "Create a group", "Enable an existing group", "Disable a group"],
    "Working with domains": ["Working with domains", "Add a domain", "Remove a domain", "Choose the default domain", "Verifying domains",
                             "Editing domain identity policies"],
    "Working with resources": ["Working with resources", "Create a resource", "Edit a resource", "Remove a resource"],
    "Interoperability": ["Prerequisites", "Add Domains and Enable Mailboxes", "Enable Interoperability", "Enable Email Routing for a User",
                         "Configure availability settings", "Limitations in Interoperability Mode",
                         "Disabling Interoperability and Decommissioning Your Mail Server", "Troubleshooting"],
    "Best practices": ["Use AutoDiscover to configure endpoints", "AutoDiscover phase 2 troubleshooting"],
    "Working with organizations": ["Edit your organization's mobile device policy"],
    "Working with mobile devices": ["Remotely wipe mobile devices", "Remove a user's mobile devices from the devices list",
                                    "View mobile device details"],
    "Managing Email Flows": ["Managing Email Flows", "Rule Actions", "Sender Patterns", "Creating an Email Flow Rule", "Testing an Email Flow Rule",
                             "Modifying an Email Flow Rule", "Removing an Email Flow Rule"],
    "Using Email Journaling": ["Using Journaling"],
    "Migrating": ["Step 2: Migrate"],
    "Unsupported Attachment Types": ["Unsupported Attachment Types"],
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
