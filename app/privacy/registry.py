"""Which table holds what of a person, and what becomes of it: the one list that export and erasure go by.

Every table and column of the database stands here; a test fails where one is missing. A column is one of

- `of`: names the customer whose the row is (`through`: names a row of another table that does);
- `own`: tells of that customer. It goes with the row, or by `blank`;
- `words`: may tell of anybody, in words or hints; in the rows that stay, what names the erased person is taken out;
- `addresses`: settings made for everybody, where only addresses, numbers and ids are taken out;
- `ids`: lists of customers' ids;
- `plain`: tells of nobody.
"""

from app.capture import forgotten
from app.privacy.table import AtErase, Table
from app.privacy.table import columns as _columns
from app.privacy.table import deleted as _delete
from app.privacy.table import kept as _keep
from app.privacy.table import special as _special

__all__ = ["BY_NAME", "ELSEWHERE", "REDIS", "TABLES", "AtErase", "Table", "whose"]

OF_THE_CLUB = "It is the club's own and tells of no customer."
OF_STAFF = "It tells of those who sign in. An account is removed in Settings, Users."
A_COUNT = "It is a number."

_CUSTOMERS = (
    _delete(
        "customer",
        "Profile",
        section="profiles",
        of=_columns("id"),
        own=_columns(
            "status merged_into_id title first_name last_name sort_name date_of_birth email phone club_id "
            "membership_tier membership_status joined_on handicap_index lifecycle_stage timezone tags email_opt_in "
            "email_opt_in_at sms_opt_in sms_opt_in_at push_opt_in push_opt_in_at whatsapp_opt_in whatsapp_opt_in_at "
            "last_activity_at last_activity_type last_email_sent_at last_email_open_at last_email_click_at facts_at "
            "search search_extra words created_at updated_at custom"
        ),
        left_out=_columns("sort_name search search_extra words facts_at"),
    ),
    _special(
        "customer_word",
        "Words a profile is found by",
        "They go with the profile, and a trigger sees to it.",
        of=_columns("customer_id"),
        own=_columns("word words"),
    ),
    _special(
        "customer_tag",
        "Tags, as an index",
        "They go with the profile, and a trigger sees to it.",
        of=_columns("customer_id"),
        own=_columns("tag sort_name"),
    ),
    _delete(
        "contact_point",
        "Addresses and numbers",
        section="contact_points",
        of=_columns("customer_id"),
        own=_columns("kind key value source verified_at verified_how preferred_at created_at"),
        plain=_columns("id"),
    ),
    _delete(
        "external_id",
        "Ids in other systems",
        section="external_ids",
        of=_columns("customer_id"),
        own=_columns("kind value source created_at"),
        plain=_columns("id"),
    ),
    _delete(
        "customer_merge",
        "Merges",
        section="merges",
        of=_columns("winner_id loser_id"),
        own=_columns("merged_at undone_at"),
        words=_columns("reason detail"),
        plain=_columns("id merged_by undone_by"),
        left_out=_columns("detail"),
    ),
    _delete(
        "customer_merge_part",
        "What merges moved",
        through=("merge_id", "customer_merge"),
        words=_columns("images"),
        ids=_columns("moved"),
        plain=_columns("part"),
    ),
    _delete(
        "merge_suggestion",
        "Suggested duplicates",
        of=_columns("one_id other_id"),
        own=_columns("score status found_at decided_at"),
        words=_columns("reasons"),
        plain=_columns("id decided_by"),
    ),
    _delete(
        "consent",
        "Answers by topic",
        section="consents",
        of=_columns("customer_id"),
        own=_columns("channel topic_id state said_at address"),
        plain=_columns("id"),
    ),
    _delete(
        "consent_change",
        "Proofs of consent",
        section="consent_changes",
        of=_columns("customer_id"),
        own=_columns(
            "channel topic_id opted_in state changed_at recorded_at source how actor address evidence wording"
        ),
        plain=_columns("id"),
    ),
    _delete(
        "activity",
        "What happened",
        section="activities",
        order="occurred_at, id",
        of=_columns("customer_id"),
        own=_columns("type category occurred_at source object_type object_id club_id private_to amount currency"),
        words=_columns("title payload"),
        plain=_columns("id"),
    ),
    _delete(
        "note",
        "Notes",
        section="notes",
        of=_columns("customer_id"),
        own=_columns("type pinned private created_at updated_at deleted_at author_id"),
        # The author of a note that a file brought is the file, by its name.
        words=_columns("body author_name"),
        plain=_columns("id"),
    ),
    _delete(
        "note_change",
        "Earlier texts of notes",
        section="note_changes",
        through=("note_id", "note"),
        own=_columns("changed_at changed_by changed_by_name act private"),
        words=_columns("before"),
        plain=_columns("id"),
    ),
    _delete(
        "note_mention",
        "Colleagues mentioned in notes",
        through=("note_id", "note"),
        own=_columns("user_id handle told_at read_at"),
        plain=_columns("id"),
    ),
    _delete(
        "task",
        "Tasks about them",
        section="tasks",
        of=_columns("customer_id"),
        own=_columns("user_id role due_at created_by created_at done_at done_by done_by_name"),
        words=_columns("title details"),
        plain=_columns("id key"),
    ),
    _delete(
        "notice",
        "Notices to colleagues about them",
        section="notices",
        of=_columns("customer_id"),
        own=_columns("user_id told_by told_at read_at"),
        words=_columns("body"),
        plain=_columns("id key more"),
    ),
    _delete(
        "household_member",
        "Places in households",
        section="households",
        of=_columns("customer_id"),
        own=_columns("household_id role source reason added_at"),
        plain=_columns("id added_by"),
    ),
    _keep(
        "household",
        "Households",
        "The others are still in it. The person's name is taken out of its own name and greeting.",
        words=_columns("name greeting"),
        # Of who was in a dissolved one it holds ids and roles; whoever is gone does not come back with it.
        plain=_columns("id created_by created_at dissolved_by dissolved_at members_then"),
    ),
    _special(
        "household_suggestion",
        "Addresses that may be a household's",
        "Those that are the person's alone are deleted; of those that others share, only who shares them goes.",
        words=_columns("key"),
        ids=_columns("people"),
        plain=_columns("id kind score reasons status found_at decided_by decided_at"),
        drop_found=True,
    ),
    _keep("tag", "Tags", OF_THE_CLUB, ids=_columns("taken_from"),
          plain=_columns("id name colour customers counted_at deleted_at created_at")),
    _keep("custom_field", "Fields of the club's own", OF_THE_CLUB, plain=_columns("id key label kind heading choices "
          "currency position archived_at created_at")),
    _keep("topic", "Topics", OF_THE_CLUB, plain=_columns("id key name description opt_in_only double_opt_in "
          "archived_at created_at")),
)  # fmt: skip

_EVENTS = (
    _delete(
        "inbound_event",
        "Events that came in",
        section="events",
        order="occurred_at, id",
        of=_columns("customer_id"),
        own=_columns("source event_id type occurred_at received_at status attempts processed_at matched_by confidence"),
        words=_columns("identity payload reason"),
        plain=_columns("id"),
        # Unique, so that it can't become the same words in two rows.
        empty_found={"event_id": "'erased:' || t.id"},
        # It waits to be applied, or that failed.
        alone=("identity", forgotten.blank),
    ),
    _keep(
        "import_run",
        "Imports",
        "How many rows a file had, and what became of them. Examples that show the person are taken out.",
        # A file without a header has somebody in its first line.
        words=_columns("file_name header mapping report error"),
        by_id=True,
        plain=_columns(
            "id size encoding delimiter preset formats on_match write_consent start_journeys dry_run "
            "task status position record rows created updated unchanged refused suggested undo_left created_by "
            "created_at finished_at"
        ),
    ),
    _special(
        "import_line",
        "Lines of imports' reports",
        "Lines that show the person are deleted; the counts stay.",
        words=_columns("detail"),
        plain=_columns("run_id kind record"),
        drop_found=True,
    ),
    _keep(
        "import_mapping",
        "Saved mappings of imports",
        "It is the club's own. A name that somebody was given, or a column, loses what names the person.",
        words=_columns("columns"),
        own=_columns("name"),
        plain=_columns("id preset formats created_by created_at updated_at deleted_at"),
        empty_found={"name": "'[erased] ' || t.id"},
    ),
    _special(
        "import_chunk",
        "Files of imports",
        "A file in which the person stands is deleted; the import's report stays.",
        own=_columns("data"),
        plain=_columns("run_id number"),
    ),
    _keep(
        "import_refusal",
        "Rows that imports refused",
        "Its number and reason; what the row said goes.",
        words=_columns("reason"),
        empty_found={"cells": "'{}'"},
        own=_columns("cells"),
        plain=_columns("run_id record"),
    ),
    _special(
        "import_change",
        "What imports changed",
        "Images of the person's rows are deleted, so that undoing an import brings nobody back.",
        words=_columns("before after"),
        plain=_columns("run_id table_name row_id"),
        drop_found=True,
    ),
    _keep(
        "import_made",
        "What imports made",
        "Ids of rows, which show nobody once the rows are gone.",
        plain=_columns("id run_id table_name row_ids"),
    ),
)

_MESSAGES = (
    Table(
        "message",
        "Messages",
        AtErase.BLANK,
        "That a message was sent stays, without whom to and what it said: reports of journeys count it.",
        section="messages",
        of=_columns("customer_id"),
        own=_columns("user_id"),
        words=_columns("subject response context to_address instead_of saw"),
        plain=_columns(
            "id channel purpose template_id template_version topic_id builtin journey_id step_key campaign_id run_id "
            "variant priority expires_at one_copy due_at created_at attempts sending_at sent_at first_open_at "
            "first_click_at delivered_at bounced_at bounce_kind complained_at replied_at unsubscribed_at"
        ),
        blank={
            "status": "CASE WHEN t.status IN ('queued', 'held') THEN 'skipped' ELSE t.status END",
            "reason": "CASE WHEN t.status IN ('queued', 'held') THEN 'erased' ELSE t.reason END",
            # Nor does a slow sender write down afterwards what it sent.
            "attempt_id": "NULL",
            "customer_id": "NULL",
            "to_address": "NULL",
            "instead_of": "NULL",
            "saw": "NULL",
            "subject": "NULL",
            "response": "NULL",
            "context": "'{}'",
            "dedupe_key": "'erased:' || t.id",
            "enrollment_id": "NULL",
        },
        left_out=_columns("dedupe_key attempt_id context user_id"),
    ),
    _keep(
        "message_tally",
        "Counts of messages",
        A_COUNT,
        plain=_columns("id run_id variant what reason hour number"),
    ),
    _keep(
        "message_response",
        "What was done with messages",
        "It names a message, which names nobody once the person is erased; reports count it.",
        plain=_columns("message_id kind run_id variant journey_id step_key at"),
    ),
    _keep(
        "conversion",
        "What was done after messages",
        "It names a message, which names nobody once the person is erased; reports count it.",
        plain=_columns(
            "message_id event_id campaign_id run_id variant held_out credited touch type at amount currency"
        ),
    ),
    _delete(
        "message_click",
        "Links they followed",
        section="message_clicks",
        order="at, message_id",
        through=("message_id", "message"),
        own=_columns("url at times by_machine"),
        plain=_columns("url_key run_id variant"),
    ),
    _keep(
        "sending_rate", "Rates of sending", OF_THE_CLUB,
        plain=_columns("id channel domain most seconds ready_at journey_at queue_at"),
    ),
    _keep(
        "sending_policy", "Sending", OF_THE_CLUB, plain=_columns("id caps quiet approval_above updated_at")
    ),
    _keep(
        "message_run", "Runs of messages", OF_THE_CLUB, addresses=_columns("subjects"),
        plain=_columns("id status per_hour ready_at senders created_at")
    ),
    _special(
        "mailbox_mail",
        "Mails in the local mailbox",
        "Mails to the person, and others in which they stand, are deleted.",
        own=_columns(
            "received_at mail_from rcpt_to subject from_address to_address message_id size source"
        ),
        plain=_columns("id channel"),
    ),
    _special(
        "suppression",
        "Suppressed addresses",
        "A keyed hash of each address stays, so that no import makes Fairway write to it again.",
        own=_columns("address_key detail lift_reason"),
        plain=_columns("id channel reason added_by created_at lifted_at lifted_by"),
    ),
    _special(
        "short_link",
        "Short links in texts",
        "They go with the message they stood in.",
        through=("message_id", "message"),
        own=_columns("url code created_at"),
        plain=_columns("id"),
    ),
    _keep("provider_word", "What providers told already", "It is a name of the provider's, and tells of nobody.",
          plain=_columns("id channel provider_id received_at")),
    _keep("channel_account", "Who carries messages", OF_THE_CLUB,
          plain=_columns("id channel carrier settings secret version updated_at")),
    _keep("sending_domain", "Sending domains", OF_THE_CLUB, plain=_columns(
        "id domain selector sealed_key public_key created_at proven_at checked_at findings")),
    _keep("channel_breaker", "Channels in trouble", OF_THE_CLUB, addresses=_columns("said"),
          plain=_columns("id channel failures since open_until")),
    _keep("slowing", "Who asks us to slow down", OF_THE_CLUB, addresses=_columns("said"),
          plain=_columns("id channel taker strikes since until room")),
    _keep("mail_sender", "Senders", OF_THE_CLUB, plain=_columns("id domain_id club_id name local_part created_at")),
    _keep("template", "Templates", OF_THE_CLUB, addresses=_columns("name subject html text preheader mjml parameters"),
          plain=_columns("id channel topic_id editor version archived_at created_at updated_at")),
    _special("link_check", "Links of letters that were tried", "Those that name the person go.",
             words=_columns("url said"), drop_found=True, plain=_columns("id due_at verdict tried_at")),
    _keep("image", "Pictures of letters", OF_THE_CLUB, addresses=_columns("name alt"),
          plain=_columns("id content_type width height size has_double data data_double created_by created_at")),
    _keep("snippet", "Snippets", OF_THE_CLUB, addresses=_columns("name html text"),
          plain=_columns("id key club_id version revision archived_at created_at updated_at")),
    _keep("snippet_version", "Earlier versions of snippets", OF_THE_CLUB, addresses=_columns("name html text"),
          plain=_columns("id snippet_id number restored_from changed_at changed_by changed_by_name")),
    _keep("template_version", "Earlier versions of templates", OF_THE_CLUB, addresses=_columns("name content"),
          plain=_columns("id template_id number topic_id restored_from changed_at changed_by changed_by_name")),
)  # fmt: skip

_JOURNEYS = (
    _delete(
        "journey_enrollment",
        "Journeys they were in",
        section="journeys",
        of=_columns("customer_id"),
        own=_columns(
            "journey_id entry status current_step_key current_step_number waiting_until due_at waits_for woken_by "
            "enrolled_at completed_at exited_at exit_reason converted_at converted_amount converted_currency "
            "entered_week entered_version error attempts trigger_event_id trigger_data answers awaited"
        ),
        plain=_columns("id"),
    ),
    _delete(
        "journey_enrollment_step",
        "Steps they took",
        section="journey_steps",
        order="enrollment_id, step_number",
        through=("enrollment_id", "journey_enrollment"),
        own=_columns("step_number step_key version status entered_at completed_at exit result"),
    ),
    _delete(
        "journey_webhook",
        "Calls of other systems about them",
        section="journey_calls",
        through=("enrollment_id", "journey_enrollment"),
        own=_columns("step_number method url host body status due_at gives_up_at attempts code said answer"),
        plain=_columns("id secret"),
    ),
    _keep("journey_webhook_host", "Hosts that take no calls", OF_THE_CLUB,
          plain=_columns("host failures open_until")),
    _keep(
        "journey",
        "Journeys",
        OF_THE_CLUB,
        addresses=_columns("name description trigger_config draft exit_conditions exit_event goal"),
        plain=_columns(
            "id club_id status trigger_type allow_reentry reentry reentry_days reentry_key max_enrollments timezone "
            "topic_id send_window clock "
            "exit_on_unsubscribe goal_days watches draft_revision draft_position key_numbers published_version "
            "published_revision "
            "next_run_at run_until run_cursor total_enrolled total_completed total_exited total_failed activated_at "
            "paused_at paused_from paused_until archived_at created_by created_at updated_at"
        ),
    ),
    _keep("journey_version", "Journeys as published", OF_THE_CLUB, addresses=_columns("graph note settings"),
          plain=_columns("id journey_id number placements once created_by created_at")),
    _keep("journey_settling", "Steps a publication left to look at", OF_THE_CLUB,
          plain=_columns("journey_id step_key rebase look after paused_at resumed_at")),
    _keep("journey_batch", "Batches of people that journeys move", OF_THE_CLUB,
          plain=_columns("id people begun deaths due_at noted_at")),
    _keep("journey_draft_edit", "Drafts of journeys", OF_THE_CLUB, addresses=_columns("graph label"),
          plain=_columns("id journey_id position sitting created_at")),
    _keep("journey_comment", "Comments on journeys", OF_THE_CLUB, addresses=_columns("body"),
          plain=_columns("id journey_id step_key author_id author_name created_at resolved_at resolved_by_name")),
    _keep("journey_presence", "Who has a journey open", OF_THE_CLUB,
          plain=_columns("journey_id user_id name step_key seen_at")),
    _keep("journey_backtest", "Journeys walked over the past", OF_THE_CLUB, addresses=_columns("graph"),
          plain=_columns("id journey_id since until seed status people total walked at_once pace_minutes sums sample "
                         "broken_off due_at attempts error created_by created_at")),
    _delete("journey_check", "Checks of journeys that they walk", of=_columns("customer_id"),
            words=_columns("name event meanwhile facts expected"),
            plain=_columns("id journey_id segment_id starts_at strictness created_by created_at")),
    _keep("journey_letters", "Counts of messages of journeys", A_COUNT,
          plain=_columns("journey_id numbers counted_at took_ms")),
    _keep("journey_step_count", "Counts of journeys", A_COUNT,
          plain=_columns("journey_id step_key entered active completed failed skipped yes no")),
    _keep("journey_exit_count", "Counts of ways through journeys", A_COUNT,
          plain=_columns("journey_id step_key exit passed")),
    _keep("journey_cohort", "Counts of journeys by week and version", A_COUNT,
          plain=_columns("journey_id week version entered completed exited failed converted")),
    _keep("journey_revenue", "What goals of journeys brought in", A_COUNT,
          plain=_columns("journey_id week version currency people amount")),
)  # fmt: skip

_CAMPAIGNS = (
    _keep("campaign", "Campaigns", OF_THE_CLUB, addresses=_columns("name description schedule goal experiment"),
          plain=_columns("id type campaign_type segment_id channels channel_mode email_template_id sms_template_id "
                         "push_template_id whatsapp_template_id topic_id sender_id timezone throttle_per_hour "
                         "spread_minutes "
                         "one_copy expires_hours cost cost_currency holdout_percent status due_at next_occurrence "
                         "version archived_at "
                         "created_by created_by_name created_at updated_at")),
    _keep("campaign_approval", "Approvals of campaigns", OF_THE_CLUB, addresses=_columns("note answer"),
          plain=_columns("id campaign_id asked_by asked_by_name asked_at people up_to seal decision decided_by "
                         "decided_by_name decided_at")),
    _keep("campaign_run", "Runs of campaigns", OF_THE_CLUB, addresses=_columns("content experiment"),
          plain=_columns("id campaign_id occurrence local_at due_at status segment_id people audience cursor "
                         "refresh_asked_at prepared_at started_at paused_at finished_at look_at error "
                         "decide_at winner winner_at winner_by winner_by_name created_at")),
)  # fmt: skip

_THEY_GO = "They go with the profile, and a trigger sees to it."
_SEGMENTS = (
    _special("segment_member", "Segments they are in", _THEY_GO, section="segments", order="entered_at, segment_id",
             of=_columns("customer_id"), own=_columns("segment_id entered_at")),
    _special("segment_past_member", "Segments they were in", _THEY_GO, section="past_segments",
             order="entered_at, segment_id", of=_columns("customer_id"), own=_columns("segment_id entered_at left_at")),
    _special("segment_listed", "Lists they were put on", _THEY_GO, section="lists", order="listed_at, segment_id",
             of=_columns("customer_id"), own=_columns("segment_id listed_at"), plain=_columns("listed_by")),
    _special("segment_due", "That segments look at them again", "They are used up within seconds.",
             of=_columns("customer_id"), own=_columns("segment_id reads"), plain=_columns("id")),
    _special("segment_later", "That segments look at them again once the time of something comes",
             "They are used up then, within a day.",
             of=_columns("customer_id"), own=_columns("at reads"), plain=_columns("id")),
    _keep("segment", "Segments", OF_THE_CLUB, addresses=_columns("name description criteria refresh_error"),
          plain=_columns("id club_id type refresh_frequency version member_count refreshed_at refresh_due_at "
                         "refreshing_since refresh_tells refresh_took_ms ready_made snapshot_of archived_at "
                         "created_by created_by_name created_at updated_at")),
    _keep("segment_version", "Earlier definitions of segments", OF_THE_CLUB, addresses=_columns("criteria"),
          plain=_columns("id segment_id number club_id changed_at changed_by changed_by_name")),
    _keep("segment_day", "Growth of segments", A_COUNT, plain=_columns("segment_id day entered left members")),
    _keep("segment_dependency", "What segments ask about", OF_THE_CLUB, plain=_columns("reads segment_id")),
    _keep("segment_sync", "Where segments are pushed to", OF_THE_CLUB, plain=_columns(
        "segment_id shape url fields secret old_secret old_secret_until status run part position pushed version "
        "batch_id batch_end batch_last due_at attempts failing_since error receiver_id last_pushed_at last_full_at "
        "created_at changed_at changed_by changed_by_name")),
    _special("segment_sync_change", "That a receiver of a segment has to be told of them",
             "The receiver is told that they left, by their id; then it is used up.",
             of=_columns("customer_id"), own=_columns("segment_id act at"), plain=_columns("id batch_id")),
)  # fmt: skip

_ACCOUNTS = (
    _keep("tenant", "The organisation", OF_THE_CLUB,
          plain=_columns("id name country locale timezone currency created_at")),
    _keep("club", "Clubs", OF_THE_CLUB, plain=_columns(
        "id name country timezone locale currency working_days created_at")),
    _keep("club_closure", "When clubs are closed", OF_THE_CLUB, plain=_columns(
        "id club_id name starts_on ends_on yearly created_at")),
    _keep("users", "Accounts", OF_STAFF, plain=_columns(
        "id email email_key name password_hash role status session_version last_sign_in_at created_at")),
    _keep("user_session", "Sign-ins", OF_STAFF, plain=_columns(
        "id user_id kind session_version secret_hash refresh_hash ip user_agent created_at last_seen_at expires_at "
        "revoked_at")),
    _keep("api_key", "API keys", OF_STAFF, plain=_columns(
        "id name hint secret_hash scopes created_by created_at last_used_at revoked_at")),
    _keep("audit_entry", "Audit trail", "Who of staff did what, and when. It names the customer's id and nothing else "
          "of them.", words=_columns("detail"), plain=_columns("id at actor user_id action object_type object_id ip")),
    _special("kept_answer", "Answers to requests over the API, for a day", "Those that name the person go.",
             words=_columns("body"), drop_found=True, plain=_columns(
                 "id actor key fingerprint status content_type created_at")),
    _keep("work_count", "Counts of work", A_COUNT, plain=_columns("work minute done")),
    _keep("inbound_mail_count", "How many mails came in", OF_THE_CLUB, plain=_columns("day outcome number")),
    _keep("heartbeat", "Signs of life of processes", OF_THE_CLUB, plain=_columns("name at")),
)  # fmt: skip

_PRIVACY = (
    _special("privacy_request", "Exports and erasures", "That somebody was erased stays, with who asked for it and how "
             "many rows of which kind went.", own=_columns("at work"), plain=_columns(
                 "id kind customer_id status step steps report attempts error with_private requested_by created_at "
                 "due_at finished_at expires_at")),
    _special("privacy_file", "Files of exports", "Exports of the person are deleted.", own=_columns("data"),
             plain=_columns("request_id part number")),
    _keep("erased_hint", "Hashes of ids and addresses of people who were erased", "An import can't bring them back.",
          plain=_columns("hash erased_at")),
)  # fmt: skip

TABLES: tuple[Table, ...] = (
    *_CUSTOMERS,
    *_EVENTS,
    *_MESSAGES,
    *_JOURNEYS,
    *_CAMPAIGNS,
    *_SEGMENTS,
    *_ACCOUNTS,
    *_PRIVACY,
)
BY_NAME: dict[str, Table] = {one.name: one for one in TABLES}

REDIS: dict[str, str] = {
    "fairway:awake:": "wake-ups: a kind of work and a tenant",
    "rq:": "jobs: a kind of work and a tenant, nothing else",
    "rq_scheduler:": "when the next tick is",
    "LIMITS:": "how often an address of the network or an account of staff asked",
}
"""What Redis holds, by the beginning of the key. None of it tells of a customer."""

ELSEWHERE: dict[str, str] = {
    "Files": "None are kept on disk. Those of imports and exports are in the database, and are deleted.",
    "Receivers of segments": "What was pushed to another system stays there. It is told, by id, that they left.",
    "Logs": "They tell what happened by ids. Addresses and numbers never get into them.",
    "Backups": "They hold the person until they are overwritten. Whoever restores one erases again.",
}
"""What is not in the database, and how it holds a person."""


def whose(table: Table, alias: str = "t") -> str:
    """Return the SQL condition that a row is of one of the customers `:ids`."""
    if table.through:
        column, parent = table.through
        inner = whose(BY_NAME[parent], "p")
        return f"{alias}.{column} IN (SELECT p.id FROM {parent} p WHERE p.tenant_id = :tenant_id AND ({inner}))"  # noqa: S608
    return " OR ".join(f"{alias}.{column} = ANY(cast(:ids AS uuid[]))" for column in table.of)
