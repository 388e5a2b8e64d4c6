import Synchronization

/// All metrics of a process, and their Prometheus text.
///
/// For control-plane code: an update takes a lock. Packet loops keep counters of their own and copy them in `onScrape`.
public final class MetricsRegistry: Sendable {
    /// More series than this for one metric fold into one whose labels are all `other`: a label fed by strangers must not
    /// grow the process, and Prometheus itself suffers beyond some hundreds.
    public static let seriesLimit = 200

    private struct State {
        var metrics: [String: any Metric] = [:]
        var hooks: [@Sendable () -> Void] = []
    }

    private let state = Mutex(State())

    /// An empty registry.
    public init() {}

    /// A number that only grows; name it `roost_…_total`. Asking again for a name gives the same counter.
    public func counter(_ name: String, _ help: String, labels: [String] = []) -> Counter {
        metric(name) { Counter(name: name, help: help, labels: labels) }
    }

    /// A number that goes up and down.
    public func gauge(_ name: String, _ help: String, labels: [String] = []) -> Gauge {
        metric(name) { Gauge(name: name, help: help, labels: labels) }
    }

    /// A distribution; `buckets` are upper bounds, rising. The default suits calls in seconds: 1 ms to 10 s.
    public func histogram(
        _ name: String, _ help: String, labels: [String] = [],
        buckets: [Double] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
    ) -> Histogram {
        metric(name) { Histogram(name: name, help: help, labels: labels, buckets: buckets) }
    }

    /// Calls `hook` before each reading, to set gauges that are cheaper to look up than to keep.
    public func onScrape(_ hook: @escaping @Sendable () -> Void) {
        state.withLock { $0.hooks.append(hook) }
    }

    /// Everything in Prometheus's text format 0.0.4, sorted by name.
    public func text() -> String {
        for hook in state.withLock({ $0.hooks }) { hook() }
        let metrics = state.withLock { $0.metrics.sorted { $0.key < $1.key }.map(\.value) }
        var out = ""
        for metric in metrics { metric.write(to: &out) }
        return out
    }

    private func metric<M: Metric>(_ name: String, make: () -> M) -> M {
        state.withLock { state in
            if let existing = state.metrics[name] {
                guard let same = existing as? M else {
                    preconditionFailure("metric \(name) already exists with another type")
                }
                return same
            }
            let fresh = make()
            state.metrics[name] = fresh
            return fresh
        }
    }
}

/// What the registry needs of a metric.
protocol Metric: Sendable {
    func write(to out: inout String)
}

/// The series of one metric by label values, at most `MetricsRegistry.seriesLimit` and one for the rest.
struct Series<Value: Sendable>: Sendable {
    private(set) var values: [[String]: Value] = [:]

    mutating func update(_ labels: [String], initial: Value, _ change: (inout Value) -> Void) {
        var labels = labels
        if values[labels] == nil, values.count >= MetricsRegistry.seriesLimit {
            labels = labels.map { _ in "other" }
        }
        change(&values[labels, default: initial])
    }

    mutating func remove(_ labels: [String]) { values[labels] = nil }

    var sorted: [(labels: [String], value: Value)] {
        values.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map { (labels: $0.key, value: $0.value) }
    }
}

/// Writing the text format.
enum PrometheusText {
    static func head(_ name: String, _ help: String, _ type: String, to out: inout String) {
        let help = help.replacing("\\", with: "\\\\").replacing("\n", with: "\\n")
        out += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
    }

    static func sample(
        _ name: String, _ names: [String], _ values: [String], extra: (String, String)? = nil, _ value: Double,
        to out: inout String
    ) {
        var pairs = zip(names, values).map { "\($0)=\"\(escape($1))\"" }
        if let extra { pairs.append("\(extra.0)=\"\(extra.1)\"") }
        out += name + (pairs.isEmpty ? "" : "{\(pairs.joined(separator: ","))}") + " \(number(value))\n"
    }

    static func number(_ value: Double) -> String {
        if value == .infinity { return "+Inf" }
        if let whole = Int64(exactly: value) { return String(whole) }
        return "\(value)"
    }

    private static func escape(_ text: String) -> String {
        text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
    }
}
