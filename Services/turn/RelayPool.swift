public import Addresses
internal import Glibc
public import PacketIO
internal import Synchronization
internal import TURNServer
public import Time

/// The relay addresses of a server: opens sockets at ports that nobody can foresee, and keeps reserved ones for a while.
///
/// Shared by all workers, as a reservation may be claimed by a client whose packets reach another worker than the one that
/// made it (RFC 8656 §7.2); its descriptor is handed over here. Asked once an allocation, never for a packet.
public final class RelayPool: Sendable {
    /// Why there is no relay address.
    public enum Refusal: Error, Sendable {
        /// This server relays for no address of that family (440).
        case noAddress
        /// Every port is taken, or the kernel gives no more sockets (508).
        case noPort
        /// No such reservation, or it is over, or another user's (508).
        case noReservation
    }

    /// What an allocation asks for.
    public enum Wish: Sendable {
        /// Any port.
        case any
        /// EVEN-PORT without R.
        case even
        /// EVEN-PORT with R, of a user: the next port is held for 30 s for who brings the token.
        case evenHoldingNext(token: UInt64, user: String)

        var parity: RelayPorts.Parity {
            switch self {
            case .any: .any
            case .even: .even
            case .evenHoldingNext: .evenWithNext
            }
        }
    }

    private struct State {
        var ports: [IPAddress: RelayPorts]
        var kept = KeptPorts<UDPSocket>(
            limit: RelayPool.reservationLimit, limitOfUser: RelayPool.reservationLimitOfUser)
    }

    /// Held ports at most: who reserves and never claims takes no more than these from the others.
    static let reservationLimit = 1_024
    /// Held ports of one user at most. RTP's pairs of ports, for which they were made, are two for a call.
    static let reservationLimitOfUser = 8
    /// Other programs' sockets met in a row; by then the range is better changed.
    private static let attempts = 16

    private let addresses: [IPAddress]
    private let state: Mutex<State>

    /// Relays from `addresses`, the first of each family, at ports of `range`.
    public init(addresses: [IPAddress], ports range: ClosedRange<UInt16>) {
        var chosen: [IPAddress] = []
        for address in addresses where !chosen.contains(where: { $0.family == address.family }) {
            chosen.append(address)
        }
        self.addresses = chosen
        state = Mutex(State(ports: Dictionary(uniqueKeysWithValues: chosen.map { ($0, RelayPorts(range)) })))
    }

    /// From where it relays for a family.
    public func address(_ family: IPAddress.Family) -> IPAddress? { addresses.first { $0.family == family } }

    /// How many ports are taken, reserved ones among them.
    public var takenCount: Int { state.withLock { $0.ports.values.reduce(0) { $0 + $1.takenCount } } }

    /// Opens a socket at a free port.
    public func open(_ family: IPAddress.Family, _ wish: Wish, now: Instant) throws(Refusal) -> UDPSocket {
        guard let address = address(family) else { throw .noAddress }
        let result: Result<UDPSocket, Refusal> = state.withLock { state in
            expire(&state, now)
            guard var ports = state.ports[address] else { return .failure(.noAddress) }
            // Taken out and put back, so that the bits are changed in place.
            state.ports[address] = nil
            defer { state.ports[address] = ports }
            var random = SystemRandomNumberGenerator()
            // Ports that other programs hold stay marked until this search ends, so that none is tried twice.
            var strangers: [UInt16] = []
            defer { for port in strangers { ports.release(port) } }
            for _ in 0..<RelayPool.attempts {
                guard let port = ports.take(wish.parity, using: &random) else { return .failure(.noPort) }
                let reservation: (token: UInt64, user: String)? =
                    if case .evenHoldingNext(let token, let user) = wish { (token, user) } else { nil }
                do throws(PacketIOError) {
                    let socket = try UDPSocket(binding: Endpoint(address: address, port: port), options: .relay)
                    guard let (token, user) = reservation else { return .success(socket) }
                    let next = try UDPSocket(binding: Endpoint(address: address, port: port + 1), options: .relay)
                    guard state.kept.keep(next, token: token, user: user, now: now) else {
                        ports.release(port)
                        ports.release(port + 1)
                        return .failure(.noPort)
                    }
                    return .success(socket)
                } catch {
                    guard error.code == EADDRINUSE else {
                        ports.release(port)
                        if reservation != nil { ports.release(port + 1) }
                        return .failure(.noPort)
                    }
                    strangers.append(port)
                    if reservation != nil { strangers.append(port + 1) }
                }
            }
            return .failure(.noPort)
        }
        return try result.get()
    }

    /// The socket of a user's reservation, which ends by this.
    public func claim(_ token: UInt64, user: String, now: Instant) throws(Refusal) -> UDPSocket {
        let socket = state.withLock { state in
            expire(&state, now)
            return state.kept.take(token: token, user: user)
        }
        guard let socket else { throw .noReservation }
        return socket
    }

    /// Gives an allocation's port back, once its socket is closed.
    public func release(_ endpoint: Endpoint) {
        state.withLock { $0.ports[endpoint.address]?.release(endpoint.port) }
    }

    /// Gives back the ports of reservations whose time is over. Each request does so, too.
    public func expire(now: Instant) { state.withLock { expire(&$0, now) } }

    private func expire(_ state: inout State, _ now: Instant) {
        for socket in state.kept.expire(now: now) {
            state.ports[socket.endpoint.address]?.release(socket.endpoint.port)
        }
    }
}
