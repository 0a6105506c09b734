"""When a controller's log says that the broker that died is off the cluster's list."""

import pytest

from newswire.pipeline.broker.recovery import is_delisted

NODE = "2026-01-01T00:00:00.000+0000 [event-handler] INFO org.apache.kafka.controller"
LISTED = (
    f"{NODE}.ClusterControlManager - [QuorumController id=1] Replayed initial RegisterBrokerRecord for broker 1:"
    " RegisterBrokerRecord(brokerId=1, endPoints=[BrokerEndpoint(port=2)], rack=null, fenced=true, inControlledShutdown"
    "=false, logDirs=[x])"
)
FROM_SNAPSHOT = LISTED.replace("fenced=true", "fenced=false")
CHANGE = (
    f"{NODE}.ClusterControlManager - [QuorumController id=1] Replayed BrokerRegistrationChangeRecord modifying the"
    " registration for broker 1: BrokerRegistrationChangeRecord(brokerId=1, brokerEpoch=13, fenced={}, logDirs=[])"
)
ALIVE, AS_IT_WAS, DEAD = CHANGE.format(-1), CHANGE.format(0), CHANGE.format(1)
ACTIVE = f"{NODE}.QuorumController - [QuorumController id=1] Becoming the active controller at epoch 2, next write 166."
STARTED = "2026-01-01T00:00:00.000+0000 [main] INFO kafka.server.KafkaRaftServer - Kafka Server started"


@pytest.mark.parametrize(
    ("lines", "delisted"),
    [
        ([LISTED, ALIVE, AS_IT_WAS, ACTIVE, STARTED], False),
        ([LISTED, ALIVE, AS_IT_WAS, ACTIVE, STARTED, DEAD], True),
        ([LISTED, ALIVE, ACTIVE, DEAD], False),
        ([LISTED, ALIVE, DEAD, LISTED, ALIVE, ACTIVE, STARTED], False),
        ([FROM_SNAPSHOT, ACTIVE, STARTED], False),
        ([FROM_SNAPSHOT, ACTIVE, STARTED, DEAD], True),
        ([LISTED, ACTIVE, STARTED], True),
        ([ACTIVE, STARTED], True),
        ([STARTED], False),
        ([], False),
    ],
)
def test_only_a_controller_in_charge_can_say_that_no_broker_is_alive(lines: list[str], delisted: bool) -> None:
    assert is_delisted("\n".join(lines)) is delisted
