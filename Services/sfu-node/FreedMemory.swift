internal import CProcess
import ServiceLifecycle

/// Gives back to the system what members held who are gone: left to itself, the allocator keeps the pages of the fullest hour.
struct FreedMemoryPart: Service {
    private static let every = Duration.seconds(5)

    let host: RoomHost

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var watch = FreedMemoryWatch()
            while (try? await Task.sleep(for: Self.every)) != nil {
                let figures = host.figures
                // Holds one of the allocator's arenas after the other for some milliseconds, so not after each that leaves.
                if watch.isWorthwhile(members: figures.members, events: figures.events) { roost_release_freed_memory() }
            }
        }
    }
}

/// Decides when it is worth it: all members are gone, or most of many; and once nothing is remembered of rooms that ended.
package struct FreedMemoryWatch {
    /// Calls, of one each five seconds, after which what is remembered of ended rooms for a minute is gone.
    static let forgotten = 14

    private var most = 0
    private var lastEvents: UInt64 = 0
    private var releasedAt: UInt64 = 0
    /// Calls since the last event.
    private var calm = 0

    /// One that has seen nothing.
    package init() {}

    /// Of rooms now: `members` at this moment, `events` since the start. Call every few seconds.
    package mutating func isWorthwhile(members: Int, events: UInt64) -> Bool {
        most = max(most, members)
        let haveMostLeft = most >= 10 && members * 2 <= most
        calm = events == lastEvents ? calm + 1 : 0
        let isEmpty = members == 0 && calm > 0 && events != releasedAt
        let isForgotten = calm == FreedMemoryWatch.forgotten && events > 0
        lastEvents = events
        guard haveMostLeft || isEmpty || isForgotten else { return false }
        most = members
        releasedAt = events
        return true
    }
}
