import Bus
import Glibc
public import Logging

extension CallID {
    /// Puts the id into every log line.
    static let metadataProvider = Logger.MetadataProvider {
        guard let current else { return [:] }
        return [key: .string(current)]
    }
}

/// Writes log lines, to read or as JSON, to a sink that all loggers of the process share.
public struct RoostLogHandler: LogHandler {
    private let label: String
    private let instance: String
    private let format: LogFormat
    private let sink: LogSink
    /// Fields of every line of this logger.
    public var metadata: Logger.Metadata = [:]
    /// The least severe level written.
    public var logLevel: Logger.Level
    /// Fields that come from the task, such as the call id.
    public var metadataProvider: Logger.MetadataProvider?

    /// A handler for one logger; `instance` is the service's id.
    public init(
        label: String, instance: String, format: LogFormat, level: Logger.Level, sink: LogSink,
        metadataProvider: Logger.MetadataProvider? = nil
    ) {
        self.label = label
        self.instance = instance
        self.format = format
        self.sink = sink
        logLevel = level
        self.metadataProvider = metadataProvider ?? CallID.metadataProvider
    }

    /// One field.
    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    /// Writes a line.
    public func log(event: LogEvent) {
        var fields = metadata
        if let provided = metadataProvider?.get() { fields.merge(provided) { _, new in new } }
        if let given = event.metadata { fields.merge(given) { _, new in new } }
        if let error = event.error { fields["error"] = "\(error)" }
        let sorted = fields.sorted { $0.key < $1.key }
        switch format {
        case .human: sink.write(humanLine(event, sorted))
        case .json: sink.write(jsonLine(event, sorted))
        }
    }

    private func humanLine(_ event: LogEvent, _ fields: [(key: String, value: Logger.Metadata.Value)]) -> String {
        var line = "\(timestamp()) \(event.level.rawValue.padded(to: 7)) \(instance) "
        // A peer's text may hold line ends or escape codes: they must not forge lines or colours.
        line += "\(event.message)".escapedForOneLine
        for (key, value) in fields {
            let text = "\(value)".escapedForOneLine
            line += " \(key)=" + (text.contains(" ") || text.isEmpty ? "\"\(text)\"" : text)
        }
        return line + "\n"
    }

    private func jsonLine(_ event: LogEvent, _ fields: [(key: String, value: Logger.Metadata.Value)]) -> String {
        var line = "{\"time\":\"\(timestamp())\",\"level\":\"\(event.level.rawValue)\",\"instance\":"
        line += jsonString(instance) + ",\"logger\":" + jsonString(label)
        line += ",\"message\":" + jsonString("\(event.message)")
        for (key, value) in fields { line += "," + jsonString(key) + ":" + jsonString("\(value)") }
        return line + "}\n"
    }

    private func timestamp() -> String {
        var now = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &now)
        return formatTime(milliseconds: Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000)
    }
}

/// UTC with milliseconds, RFC 3339; `milliseconds` counts from 1970.
package func formatTime(milliseconds: Int64) -> String {
    func digits(_ number: Int64, _ width: Int) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, width - text.count)) + text
    }
    let seconds = milliseconds / 1000
    let second = seconds % 86_400
    // Days to a date of the proleptic Gregorian calendar: count from 1 March 0000, so that leap days end a year, in eras of
    // 400 years (146,097 days).
    let days = seconds / 86_400 + 719_468
    let era = days / 146_097
    let dayOfEra = days % 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shifted = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * shifted + 2) / 5 + 1
    let month = shifted < 10 ? shifted + 3 : shifted - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    let time = "\(digits(second / 3600, 2)):\(digits(second / 60 % 60, 2)):\(digits(second % 60, 2))"
    return "\(digits(year, 4))-\(digits(month, 2))-\(digits(day, 2))T\(time).\(digits(milliseconds % 1000, 3))Z"
}

/// A text as a JSON string, quotes included.
func jsonString(_ text: String) -> String {
    var out = "\""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\"": out += "\\\""
        case "\\": out += "\\\\"
        case "\n": out += "\\n"
        case "\r": out += "\\r"
        case "\t": out += "\\t"
        default:
            if scalar.value < 0x20 || scalar.value == 0x7F {
                out += "\\u00" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
            } else {
                out.unicodeScalars.append(scalar)
            }
        }
    }
    return out + "\""
}

extension String {
    /// Control characters as escapes, so that a text stays one line.
    var escapedForOneLine: String {
        unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7F }
            ? String(jsonString(self).dropFirst().dropLast()) : self
    }

    /// Filled with spaces on the right.
    func padded(to width: Int) -> String { self + String(repeating: " ", count: Swift.max(0, width - count)) }
}
