import SFUNode
import Testing
import Time

/// Rooms under random inputs.
struct RandomRoomTests {
    /// The same numbers for the same seed (SplitMix64).
    struct Seeded: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            var mixed = state
            mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
            return mixed ^ (mixed >> 31)
        }
    }

    /// What a reader makes of the outputs: it must be able to follow without a gap, and end with the room's own state.
    struct Follower {
        var states: [RoomID: (epoch: UInt64, seq: UInt64)] = [:]

        mutating func follow(_ outputs: [RoomTable.Output], _ table: RoomTable) {
            for output in outputs {
                let known = states[output.room]
                switch output.output {
                case .event(let event):
                    if let known, known.epoch == output.epoch {
                        #expect(event.seq == known.seq + 1, "room \(output.room)")
                    }
                    states[output.room] = (output.epoch, event.seq)
                    if case .ended = event.kind { states[output.room] = nil }
                case .resync:
                    // The numbers jump by at least one; the next event goes on from there.
                    states[output.room] = nil
                }
            }
        }
    }

    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func `numbers are gapless, caps hold, and deadlines move on, whatever comes`(seed: UInt64) {
        var random = Seeded(state: seed)
        var world = World {
            $0.rooms = 4
            $0.members = 5
            $0.invitations = 4
            $0.ringing = 2
            $0.replayEvents = 16
            $0.rememberedRooms = 3
            $0.callsByInvitation = seed.isMultiple(of: 2)
        }
        var follower = Follower()
        var saved: [RoomState] = []
        let names = (1...8).map { "n\($0)" }
        let signals = ["signal-1", "signal-2", "signal-3"]

        for step in 0..<3_000 {
            let name = names.randomElement(using: &random) ?? ""
            let other = names.randomElement(using: &random) ?? ""
            let signal = signals.randomElement(using: &random) ?? ""
            let number = Int.random(in: 1...6, using: &random)
            let room = "r-\(number)"
            let epoch = UInt64(Int.random(in: 1...3, using: &random) + step / 300)
            _ = refusal { () throws(RoomRefusal) in
                switch Int.random(in: 0...14, using: &random) {
                case 0...2:
                    try world.join(
                        name, room: room, epoch: world.state(room)?.epoch ?? epoch,
                        kind: number.isMultiple(of: 2) ? .call : .room,
                        signal: signal, reads: Bool.random(using: &random))
                case 3:
                    try world.join(
                        name, room: room, epoch: epoch, signal: signal, reassert: saved.randomElement(using: &random),
                        mustExist: Bool.random(using: &random))
                case 4: world.leave(name, room: room)
                case 5:
                    try world.update(
                        name, room: room, media: MediaState(audio: Bool.random(using: &random)),
                        away: Bool.random(using: &random))
                case 6...7:
                    try world.send(
                        "\(step % 50)", from: name, to: Bool.random(using: &random) ? nil : other, room: room)
                case 8: try world.invite(other, by: name, room: room)
                case 9:
                    try world.answer(other, InvitationState.allCases.randomElement(using: &random) ?? .busy, room: room)
                case 10: try world.read(room: room, signal: signal, after: UInt64.random(in: 0...30, using: &random))
                case 12:
                    try world.moderate(
                        [
                            .mute(id("m-" + other)), .remove(id("m-" + other)), .lock, .unlock, .unlock,
                            .topology(.sfu),
                            .topology(.mesh),
                        ].randomElement(using: &random) ?? .lock,
                        by: name, room: room)
                case 11: world.unread(room: room, signal: signal, epoch: world.state(room)?.epoch ?? 0)
                default: world.pass(.milliseconds(Int64.random(in: 0...9_000, using: &random)))
                }
            }
            if let state = world.state(room) {
                #expect(state.members.count <= 5)
                #expect(state.invitations.count <= 4)
                #expect(state.invitations.count { $0.state == .ringing } <= 2)
                #expect(Set(state.members.map(\.id)).count == state.members.count)
                #expect(state.kind == .room || !state.members.isEmpty)
                #expect(state.kind == .call || state.members.isEmpty || state.members.contains { $0.role == .host })
                #expect(!state.members.contains { state.removed.contains($0.person) })
                #expect(state.chat.count <= 200 && (state.kind == .room || state.chat.isEmpty))
                if Int.random(in: 0..<20, using: &random) == 0 { saved.append(state) }
                if saved.count > 8 { saved.removeFirst() }
            }
            #expect(world.table.roomCount <= 4)
            #expect(world.table.memberCount == world.table.held.reduce(0) { $0 + $1.members })
            follower.follow(world.table.takeOutputs(), world.table)
        }

        // Left alone, everything ends: nobody reads, so all are gone, and then the rooms.
        for number in 1...6 {
            for signal in signals {
                for _ in 0..<3_000 {
                    world.unread(room: "r-\(number)", signal: signal, epoch: world.state("r-\(number)")?.epoch ?? 0)
                }
            }
        }
        world.pass(.seconds(300))
        #expect(world.table.roomCount == 0)
        #expect(world.table.memberCount == 0)
        #expect(world.table.nextDeadline == nil)
    }
}
