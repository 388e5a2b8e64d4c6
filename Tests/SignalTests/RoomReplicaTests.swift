import Messages
import Signal
import Testing

private func joined(_ seq: UInt64, _ member: String) -> Roost_Rooms_V1_RoomEvent {
    var event = Roost_Rooms_V1_RoomEvent()
    event.seq = seq
    event.joined.memberID = member
    return event
}

private func said(_ seq: UInt64, _ id: String, by member: String = "a") -> Roost_Rooms_V1_RoomEvent {
    var event = Roost_Rooms_V1_RoomEvent()
    event.seq = seq
    event.message.fromMemberID = member
    event.message.messageID = id
    return event
}

private func state(epoch: UInt64, seq: UInt64) -> Roost_Rooms_V1_RoomState {
    var state = Roost_Rooms_V1_RoomState()
    state.room = "r"
    state.epoch = epoch
    state.seq = seq
    return state
}

@Test func `a replica follows the events in order and knows gaps and repeats`() {
    var replica = RoomReplica(state: state(epoch: 1, seq: 4))

    let value1 = replica.apply(joined(5, "a"))
    #expect(value1 == .applied)
    let value2 = replica.apply(joined(5, "a"))
    #expect(value2 == .repeated)
    let value3 = replica.apply(joined(7, "b"))
    #expect(value3 == .gap)
    let value4 = replica.apply(joined(6, "b"))
    #expect(value4 == .applied)
    #expect(replica.state.members.map(\.memberID) == ["a", "b"])
    #expect(replica.events(after: 4)?.map(\.seq) == [5, 6])
    #expect(replica.events(after: 6) == [])
    #expect(replica.events(after: 3) == nil)
}

@Test func `an older snapshot changes nothing, a newer life of the room does`() {
    var replica = RoomReplica(state: state(epoch: 2, seq: 4))

    let value5 = replica.replace(with: state(epoch: 1, seq: 9))
    #expect(!value5)
    let value6 = replica.replace(with: state(epoch: 2, seq: 3))
    #expect(!value6)
    let value7 = replica.replace(with: state(epoch: 3, seq: 1))
    #expect(value7)
    #expect(replica.state.epoch == 3)
}

@Test func `the history of a replica is bounded`() {
    var replica = RoomReplica(state: state(epoch: 1, seq: 0))
    for seq in 1...UInt64(2 * RoomReplica.historyLimit) { _ = replica.apply(joined(seq, "a")) }

    #expect(replica.events(after: 0) == nil)
    #expect(replica.events(after: UInt64(RoomReplica.historyLimit))?.count == RoomReplica.historyLimit)
    #expect(replica.state.members.count == 1)
}

@Test func `a room that moved is not over`() {
    var replica = RoomReplica(state: state(epoch: 1, seq: 0))
    var event = Roost_Rooms_V1_RoomEvent()
    event.seq = 1
    event.ended.reason = .moved

    let value8 = replica.apply(event)
    #expect(value8 == .applied)
    #expect(!replica.isEnded)
}

/// What a replica makes of events, one after the other.
private func outcomes(_ events: [Roost_Rooms_V1_RoomEvent], of replica: inout RoomReplica) -> [RoomReplica.Outcome] {
    var outcomes: [RoomReplica.Outcome] = []
    for event in events { outcomes.append(replica.apply(event)) }
    return outcomes
}

@Test func `a message said again in the room's next life is known, and its number stays in order`() {
    var replica = RoomReplica(state: state(epoch: 1, seq: 4))
    let before = outcomes([said(5, "1"), said(6, "1", by: "b")], of: &replica)
    #expect(before == [.applied, .applied])

    // The node died; the new one starts from here, and the member's signal repeats what had no answer.
    let isNewer = replica.replace(with: state(epoch: 2, seq: 6))
    #expect(isNewer)
    let after = outcomes([joined(7, "a"), said(8, "1"), said(9, "2")], of: &replica)
    #expect(after == [.applied, .saidBefore, .applied])

    let events = replica.events(after: 6) ?? []
    #expect(events.map(\.seq) == [7, 8, 9])
    #expect(events.map { $0.kind != nil } == [true, false, true])
}

@Test func `remembered messages are bounded, the oldest forgotten first`() {
    var replica = RoomReplica(state: state(epoch: 1, seq: 0))
    let limit = UInt64(RoomReplica.messageLimit)
    let first = outcomes((1...limit + 1).map { said($0, "\($0)") }, of: &replica)
    #expect(first.allSatisfy { $0 == .applied })

    let again = outcomes([said(limit + 2, "2"), said(limit + 3, "1")], of: &replica)
    #expect(again == [.saidBefore, .applied])
}
