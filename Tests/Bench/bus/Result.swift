/// A line of the table, and of `.bench/bus.json`.
struct Result: Encodable, CustomStringConvertible {
    let name: String
    let value: Double
    let unit: String
    let baseline: Double?
    let ratio: Double?
    let limit: Double?
    let runs: Int

    init(name: String, value: Double, unit: String, baseline: Double? = nil, limit: Double? = nil, runs: Int) {
        self.name = name
        self.value = value
        self.unit = unit
        self.baseline = baseline
        ratio = baseline.map { value / $0 }
        self.limit = limit
        self.runs = runs
    }

    private enum Keys: String, CodingKey { case name, value, unit, baseline, ratio, limit, runs }

    /// Absent figures are written as null: readers find every key.
    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Keys.self)
        try container.encode(name, forKey: .name)
        try container.encode(value, forKey: .value)
        try container.encode(unit, forKey: .unit)
        try container.encode(baseline, forKey: .baseline)
        try container.encode(ratio, forKey: .ratio)
        try container.encode(limit, forKey: .limit)
        try container.encode(runs, forKey: .runs)
    }

    var description: String {
        let named = name + String(repeating: " ", count: max(1, 34 - name.count))
        let measured = "\((value * 10).rounded() / 10) \(unit)"
        let compared = ratio.map { ", \(($0 * 100).rounded() / 100) times the raw round trip" } ?? ""
        let limited = limit.map { " (limit \($0))" } ?? ""
        return named + measured + compared + limited
    }
}

/// The middle value.
func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
