"""The catalogue of faults: where each of F1 to F18 is tested. Those that need no whole house are tested beside what they are about."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
CATALOGUE = {
    "F1 killed at every step": (
        "faults/test_kills.py::test_a_worker_killed_at_every_step_loses_and_repeats_nothing",
        "faults/test_kills.py::test_a_killed_reconciler_is_made_up_for_by_the_next",
        "faults/test_kills.py::test_a_worker_killed_in_its_drain_leaves_its_call_to_the_next",
        "faults/test_kills.py::test_a_killed_rescoring_gives_one_new_result",
        "faults/test_kills.py::test_a_killed_deletion_leaves_nothing_in_the_end",
        "faults/test_kills.py::test_a_killed_retention_is_made_up_for_by_the_next",
        "faults/test_loader_kills.py::test_a_loader_killed_at_every_step_loses_and_repeats_nothing",
    ),
    "F2 killed worker, killed house": (
        "faults/test_processes.py::test_f2_the_whole_house_is_killed_in_the_middle_of_a_transcription",
        "faults/test_processes.py::test_f2_calls_of_a_host_that_never_comes_back_go_to_another",
        "faults/test_processes.py::test_f2_a_call_that_breaks_every_worker_is_not_tried_for_ever",
    ),
    "F3 API killed before the trigger": ("faults/test_kills.py::test_a_call_is_kept_when_the_api_dies_after_the_commit",),
    "F4 Prefect down": ("faults/test_processes.py::test_f4_calls_are_taken_while_prefect_is_down",),
    "F5 simultaneous posts": (
        "faults/test_processes.py::test_f5_of_fifty_posts_of_one_call_the_first_wins",
        "api/test_live.py::test_of_fifty_identical_posts_one_is_accepted_and_one_run_made",
    ),
    "F6 full disk": (
        "faults/test_disk.py::test_f6_a_full_disk_of_recordings_is_waited_out",
        "faults/test_disk.py::test_f6_a_home_without_a_byte_left_takes_no_calls_and_finishes_those_it_has",
        "faults/test_disk.py::test_f6_the_warehouse_waits_for_room_and_shows_the_former_state_meanwhile",
        "api/test_upload.py::test_a_database_that_cannot_commit_is_503",
    ),
    "F7 bad downloads": (
        "faults/test_surroundings.py::test_f7_a_download_that_breaks_at_every_tenth_arrives_whole",
        "faults/test_surroundings.py::test_f7_what_is_too_large_is_refused_for_good",
        "faults/test_kills.py::test_a_call_goes_on_waiting_when_its_worker_is_killed_as_it_postpones_it",
    ),
    "F8 forbidden addresses": ("faults/test_surroundings.py::test_f8_forbidden_addresses_are_never_visited",),
    "F9 no audio": ("faults/test_surroundings.py::test_f9_what_is_no_recording_is_refused_with_its_reason",),
    "F10 bad receivers": (
        "faults/test_surroundings.py::test_f10_f11_a_receiver_that_misbehaves_gets_every_message_once_by_its_id",
        "db/test_deliveries.py::test_the_whole_schedule_ends_in_a_dead_letter",
        "db/test_deliveries.py::test_410_disables_the_address_and_others_wait_for_it",
        "tasks/test_webhooks.py::test_retry_after_moves_the_next_attempt",
    ),
    "F11 sent and not recorded": ("tasks/test_webhooks.py::test_a_sender_killed_before_it_recorded_sends_the_same_again",),
    "F12 rotation under load": ("tasks/test_webhooks.py::test_rotation_under_load_loses_no_message",),
    "F13 bad language models": ("tasks/engines/analyst/test_openai_server.py", "tasks/engines/analyst/test_openai.py"),
    "F14 jumping clocks": (
        "faults/test_clock.py::test_f14_a_worker_whose_lease_seems_to_be_over_is_fenced",
        "faults/test_clock.py::test_f14_a_clock_that_goes_back_leaves_no_negative_time",
    ),
    "F15 locked files": (
        "faults/test_surroundings.py::test_f15_a_locked_database_delays_calls_and_loses_none",
        "faults/test_surroundings.py::test_f15_an_analyst_never_holds_up_the_loader",
    ),
    "F16 rolling restart": (
        "faults/test_processes.py::test_f16_a_rolling_restart_breaks_off_no_answer",
        "faults/test_processes.py::test_f16_a_worker_that_is_stopped_gives_back_what_it_cannot_finish",
    ),
    "F17 rate limit": (
        "api/test_live.py::test_the_limit_is_exact_over_all_processes",
        "db/test_ratelimit.py::test_no_window_of_a_minute_holds_more_than_the_limit",
    ),
    "F18 chaos": ("faults/test_chaos.py::test_f18_all_invariants_hold_after_chaos",),
}


@pytest.mark.parametrize("fault", CATALOGUE)
def test_every_fault_has_its_tests(fault: str) -> None:
    for place in CATALOGUE[fault]:
        file, _, name = place.partition("::")
        tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
        assert name in {"", *(node.name for node in tree.body if isinstance(node, ast.FunctionDef))}, place
