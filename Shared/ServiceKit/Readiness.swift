import Synchronization

/// Whether a service can do its work, as named conditions, each with a reason while it is not met.
public final class Readiness: Sendable {
    private struct State {
        var reasons: [String: String?] = [:]
    }

    private let state = Mutex(State())

    /// Without conditions, so ready.
    public init() {}

    /// Adds a condition, not met yet; `reason` says what it waits for.
    public func condition(_ name: String, waitingFor reason: String) -> Condition {
        set(name, reason)
        return Condition(name: name, readiness: self)
    }

    /// Whether every condition is met.
    public var isReady: Bool { state.withLock { $0.reasons.values.allSatisfy { $0 == nil } } }

    /// Every condition, with the reason where it is not met.
    public var conditions: [String: String?] { state.withLock { $0.reasons } }

    fileprivate func set(_ name: String, _ reason: String?) {
        state.withLock { $0.reasons[name] = .some(reason) }
    }

    /// `{"ready":false,"conditions":{"redis":"…"}}`, `null` for a met condition.
    package var json: String {
        let conditions = conditions.sorted { $0.key < $1.key }
        let fields = conditions.map { jsonString($0.key) + ":" + ($0.value.map(jsonString) ?? "null") }
        let ready = conditions.allSatisfy { $0.value == nil }
        return "{\"ready\":\(ready),\"conditions\":{\(fields.joined(separator: ","))}}\n"
    }

    /// One condition; whoever can tell keeps it up to date.
    public struct Condition: Sendable {
        let name: String
        let readiness: Readiness

        /// Met.
        public func ready() { readiness.set(name, nil) }

        /// Not met; the reason is for an operator.
        public func notReady(_ reason: String) { readiness.set(name, reason) }
    }
}
