"""What a running worker learns of control data, from a real topic."""

from confluent_kafka import Producer

from schemas import topics
from schemas.control import LogRecord, ProjectRecord, RuleRecord, control_key
from streams.control import ControlTail
from tests.integration.streams.lab import PROJECT, Lab, wait_until


def _publish(lab: Lab, record: ProjectRecord | LogRecord | RuleRecord) -> None:
    producer = Producer({"bootstrap.servers": lab.broker.bootstrap})
    producer.produce(topics.CONTROL, record.model_dump_json(), key=control_key(record))
    assert producer.flush(30) == 0


def test_changes_after_the_start_are_seen_and_a_topic_made_anew_ends_the_worker(own_lab: Lab) -> None:
    ended: list[str] = []
    tail = ControlTail(own_lab.broker.bootstrap, ended.append)
    tail.start()
    try:
        assert PROJECT in tail.projects
        _publish(own_lab, ProjectRecord(id="later", organization_id="organization-1", name="Later"))
        wait_until(lambda: "later" in tail.projects, "a project made after the start")
        step = {"events": ["sign_up"]}
        rule = {"id": "r", "project_id": PROJECT, "name": "R", "steps": [step]}
        _publish(own_lab, RuleRecord.model_validate(rule))
        wait_until(lambda: "r" in tail.rules[PROJECT].by_id if PROJECT in tail.rules else False, "a rule in force")
        _publish(own_lab, RuleRecord.model_validate(rule | {"enabled": False}))
        wait_until(lambda: PROJECT not in tail.rules, "a rule that is switched off")
        _publish(own_lab, tail.log(topics.RAW).model_copy(update={"topic_id": "another", "epoch": 2**32 - 1}))
        wait_until(lambda: bool(ended), "the end of a worker whose topic was made anew")
        assert topics.RAW in ended[0]
    finally:
        tail.stop()
