import Synchronization

/// A number that only grows.
public final class Counter: Metric {
    private let name: String
    private let help: String
    private let labels: [String]
    private let series = Mutex(Series<Double>())

    init(name: String, help: String, labels: [String]) {
        self.name = name
        self.help = help
        self.labels = labels
        if labels.isEmpty { increment(by: 0) }
    }

    /// Adds to the series with these label values, in the order of the labels.
    public func increment(by amount: Double = 1, _ values: [String] = []) {
        precondition(values.count == labels.count, "\(name) has \(labels.count) labels")
        precondition(amount >= 0, "\(name) is a counter and cannot fall")
        series.withLock { $0.update(values, initial: 0) { $0 += amount } }
    }

    /// Takes over a total counted elsewhere, such as in a packet loop; a smaller one than before is ignored.
    public func set(total: Double, _ values: [String] = []) {
        precondition(values.count == labels.count, "\(name) has \(labels.count) labels")
        series.withLock { $0.update(values, initial: 0) { $0 = max($0, total) } }
    }

    func write(to out: inout String) {
        PrometheusText.head(name, help, "counter", to: &out)
        for (values, value) in series.withLock({ $0.sorted }) {
            PrometheusText.sample(name, labels, values, value, to: &out)
        }
    }
}

/// A number that goes up and down.
public final class Gauge: Metric {
    private let name: String
    private let help: String
    private let labels: [String]
    private let series = Mutex(Series<Double>())

    init(name: String, help: String, labels: [String]) {
        self.name = name
        self.help = help
        self.labels = labels
    }

    /// Sets the series with these label values, in the order of the labels.
    public func set(_ value: Double, _ values: [String] = []) {
        precondition(values.count == labels.count, "\(name) has \(labels.count) labels")
        series.withLock { $0.update(values, initial: 0) { $0 = value } }
    }

    /// Adds, or takes away.
    public func add(_ amount: Double, _ values: [String] = []) {
        precondition(values.count == labels.count, "\(name) has \(labels.count) labels")
        series.withLock { $0.update(values, initial: 0) { $0 += amount } }
    }

    /// Forgets a series whose subject is gone.
    public func remove(_ values: [String]) { series.withLock { $0.remove(values) } }

    func write(to out: inout String) {
        PrometheusText.head(name, help, "gauge", to: &out)
        for (values, value) in series.withLock({ $0.sorted }) {
            PrometheusText.sample(name, labels, values, value, to: &out)
        }
    }
}

/// A distribution in buckets.
public final class Histogram: Metric {
    private struct Distribution: Sendable {
        var counts: [Int]
        var sum = 0.0
        var total = 0
    }

    private let name: String
    private let help: String
    private let labels: [String]
    private let buckets: [Double]
    private let series = Mutex(Series<Distribution>())

    init(name: String, help: String, labels: [String], buckets: [Double]) {
        precondition(zip(buckets, buckets.dropFirst()).allSatisfy(<), "\(name): buckets must rise")
        self.name = name
        self.help = help
        self.labels = labels
        self.buckets = buckets
    }

    /// Counts a value in the series with these label values.
    public func observe(_ value: Double, _ values: [String] = []) {
        precondition(values.count == labels.count, "\(name) has \(labels.count) labels")
        let bucket = buckets.firstIndex { value <= $0 } ?? buckets.count
        let empty = Distribution(counts: Array(repeating: 0, count: buckets.count + 1))
        series.withLock {
            $0.update(values, initial: empty) {
                $0.counts[bucket] += 1
                $0.sum += value
                $0.total += 1
            }
        }
    }

    func write(to out: inout String) {
        PrometheusText.head(name, help, "histogram", to: &out)
        for (values, distribution) in series.withLock({ $0.sorted }) {
            var below = 0
            for (bound, count) in zip(buckets + [.infinity], distribution.counts) {
                below += count
                PrometheusText.sample(
                    name + "_bucket", labels, values, extra: ("le", PrometheusText.number(bound)), Double(below),
                    to: &out)
            }
            PrometheusText.sample(name + "_sum", labels, values, distribution.sum, to: &out)
            PrometheusText.sample(name + "_count", labels, values, Double(distribution.total), to: &out)
        }
    }
}
