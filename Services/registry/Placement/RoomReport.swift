/// What one attached node said about its rooms, and what Redis was told of it. A machine without I/O.
///
/// Heartbeats hold all rooms each second; Redis hears only of differences, and of everything again when its data was lost
/// or a record's life is half over.
package struct RoomReport: Sendable {
    /// What Redis must be told.
    package struct Changes: Hashable, Sendable {
        /// Rooms to record, with their epochs.
        package var held: [String: UInt64] = [:]
        /// Rooms that the node held before and does not hold now, with their epochs.
        package var gone: [String: UInt64] = [:]
        /// Whether `held` is all there is.
        package var isWhole = false

        /// Whether there is anything to tell.
        package var isNews: Bool { isWhole || !held.isEmpty || !gone.isEmpty }

        /// Nothing changed, unless said otherwise.
        package init(held: [String: UInt64] = [:], gone: [String: UInt64] = [:], isWhole: Bool = false) {
            self.held = held
            self.gone = gone
            self.isWhole = isWhole
        }
    }

    private var told: [String: UInt64] = [:]
    private var era: String?
    private var wholeAtBeat = 0
    private var beats = 0

    /// Beats between two whole reports: a record lives 600 s, so a lost refresh still leaves it 200 s.
    static let beatsPerWhole = 200

    /// Nothing was said yet.
    package init() {}

    /// What to tell a Redis that is in this era, after a heartbeat with these rooms.
    package func changes(_ rooms: [String: UInt64], era now: String) -> Changes {
        guard era == now, beats - wholeAtBeat < Self.beatsPerWhole else {
            return Changes(held: rooms, gone: told.filter { rooms[$0.key] == nil }, isWhole: true)
        }
        return Changes(held: rooms.filter { told[$0.key] != $0.value }, gone: told.filter { rooms[$0.key] == nil })
    }

    /// Redis knows nothing of this node's rooms.
    package mutating func startAnew() { era = nil }

    /// Redis took the changes.
    package mutating func accepted(_ changes: Changes, _ rooms: [String: UInt64], era now: String) {
        beats += 1
        told = rooms
        era = now
        if changes.isWhole { wholeAtBeat = beats }
    }

    /// These rooms belong to another node: they are not ours to take back.
    package mutating func refused(_ rooms: some Sequence<String>) {
        for room in rooms { told[room] = nil }
    }
}
