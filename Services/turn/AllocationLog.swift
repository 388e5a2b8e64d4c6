import Addresses
import Logging
import TURNServer
import Time

/// A line as an allocation begins and as it ends, which a person can follow by its number; refreshes at debug.
struct AllocationLog: Sendable {
    private let logger: Logger

    init(logger: Logger) { self.logger = logger }

    func write(_ event: TURNEvent) {
        var metadata: Logger.Metadata = [
            "allocation": "\(event.allocation)", "transport": "\(event.flow.transport)",
        ]
        // Names and addresses of people are for who looks into one call.
        if logger.logLevel <= .debug {
            metadata["user"] = "\(event.user)"
            metadata["client"] = "\(event.flow.client)"
        } else {
            metadata["user_hash"] = "\(hash(event.user))"
        }
        let relayed = [event.relayedV4, event.relayedV6].compactMap { $0?.description }
        metadata["relayed"] = "\(relayed.joined(separator: ","))"
        switch event.kind {
        case .created:
            metadata["lifetime_s"] = "\(event.lifetime.nanoseconds / 1_000_000_000)"
            logger.info("allocation made", metadata: metadata)
        case .refreshed:
            metadata["lifetime_s"] = "\(event.lifetime.nanoseconds / 1_000_000_000)"
            logger.debug("allocation refreshed", metadata: metadata)
        case .ended(let reason):
            metadata["reason"] = "\(reason.rawValue)"
            metadata["age_s"] = "\(event.age.nanoseconds / 1_000_000_000)"
            metadata["to_peers"] = "\(event.toPeers.packets) packets, \(event.toPeers.bytes) bytes"
            metadata["to_client"] = "\(event.toClient.packets) packets, \(event.toClient.bytes) bytes"
            logger.info("allocation ended", metadata: metadata)
        }
    }

    /// Tells users apart without naming them: the same user has the same hash for as long as the process lives, also by a
    /// time-limited name, of which the event has no expiry any more.
    private func hash(_ user: String) -> String {
        // The standard library's hash is keyed anew in each process, so nobody can look names up in it.
        String(UInt32(truncatingIfNeeded: user.hashValue), radix: 16)
    }
}
