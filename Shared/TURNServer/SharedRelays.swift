internal import Addresses
internal import Synchronization

/// Where the relays of all workers of a process are, as peers see them: clients of one may reach those of another, wherever
/// these addresses lie, and nothing beside them.
///
/// Behind a lock: asked when a permission or a channel is made, for data that needs its port looked at, and for data to an own
/// address where this worker has no relay.
final class SharedRelays: Sendable {
    private struct State {
        var endpoints: Set<Endpoint> = []
        /// How many relays an address has.
        var addresses: [IPAddress: Int] = [:]
    }

    private let state = Mutex(State())

    func insert(_ endpoint: Endpoint) {
        state.withLock { state in
            guard state.endpoints.insert(endpoint).inserted else { return }
            state.addresses[endpoint.address, default: 0] += 1
        }
    }

    func remove(_ endpoint: Endpoint) {
        state.withLock { state in
            guard state.endpoints.remove(endpoint) != nil, let count = state.addresses[endpoint.address] else { return }
            state.addresses[endpoint.address] = count > 1 ? count - 1 : nil
        }
    }

    /// Whether some relay is on an address.
    func hasAny(on address: IPAddress) -> Bool { state.withLock { $0.addresses[address] != nil } }

    /// Whether a relay is at an endpoint.
    func hasOne(at endpoint: Endpoint) -> Bool { state.withLock { $0.endpoints.contains(endpoint) } }
}
