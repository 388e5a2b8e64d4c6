import Bus
import Logging
import Synchronization
import Time

/// One bus client for each place that was called: nodes and other signals. Unused ones are closed.
final class PeerPool: Sendable {
    private struct Entry {
        let client: BusClient
        let task: Task<Void, Never>
        var lastUse: Instant
    }

    /// A fleet has tens of nodes and signals.
    private static let limit = 512
    private static let idle = Interval.seconds(120)

    private let entries = Mutex<[[String]: Entry]>([:])
    private let name: String
    private let logger: Logger

    /// `name` is what this service calls itself to the others.
    init(name: String, logger: Logger) {
        self.name = name
        self.logger = logger
    }

    /// The client of a place.
    func client(_ addresses: [String]) throws(BusStatus) -> BusClient {
        let parsed = addresses.compactMap { try? BusAddress(parsing: $0) }
        guard !parsed.isEmpty else { throw BusStatus(.unavailable, "no usable address in \(addresses)") }
        let now = MonotonicClock.now
        return try entries.withLock { entries throws(BusStatus) -> BusClient in
            if let entry = entries[addresses] {
                entries[addresses]?.lastUse = now
                return entry.client
            }
            guard entries.count < Self.limit else { throw BusStatus(.resourceExhausted, "too many peers") }
            let client = BusClient(addresses: parsed, name: name, logger: logger)
            entries[addresses] = Entry(client: client, task: Task { try? await client.run() }, lastUse: now)
            return client
        }
    }

    /// Closes what was not used for a while, except what streams stand on.
    func sweep(inUse: Set<[String]>) {
        let now = MonotonicClock.now
        let idle = entries.withLock { entries -> [Entry] in
            let old = entries.filter { !inUse.contains($0.key) && now - $0.value.lastUse > Self.idle }
            for key in old.keys { entries[key] = nil }
            return Array(old.values)
        }
        for entry in idle { entry.task.cancel() }
    }

    /// Closes all.
    func close() {
        let all = entries.withLock { entries -> [Entry] in
            defer { entries = [:] }
            return Array(entries.values)
        }
        for entry in all { entry.task.cancel() }
    }
}
