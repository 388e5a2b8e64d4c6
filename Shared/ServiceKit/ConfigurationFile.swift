import Configuration
import Foundation

/// The JSON file of `--config`: one object, keys as the flags without dashes, values texts, numbers, booleans or arrays of texts.
public struct ConfigurationFile: Sendable {
    /// Where it was read from.
    public let path: String
    /// The keys that it holds.
    public let names: [String]
    private let snapshot: JSONSnapshot

    /// Reads a file; refuses one that is missing, unreadable or not one JSON object.
    public init(path: String) throws(ConfigurationError) {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw ConfigurationError(problems: [
                "cannot read \(path) (from flag --config). Check the path and permissions."
            ])
        }
        try self.init(path: path, bytes: [UInt8](data))
    }

    /// Parses the bytes of a file.
    public init(path: String, bytes: [UInt8]) throws(ConfigurationError) {
        do {
            names = try JSONDecoder().decode([String: Anything].self, from: Data(bytes)).map(\.key)
            snapshot = try unsafe JSONSnapshot(data: bytes.span.bytes, providerName: path, parsingOptions: .default)
        } catch {
            throw ConfigurationError(problems: [
                "\(path) (from flag --config) is not one JSON object such as {\"log-level\": \"debug\"}: \(error)."
            ])
        }
        self.path = path
    }

    /// A key's value as a flag would give it; nil where the file has none.
    func text(of name: String) -> String? {
        let key = AbsoluteConfigKey([name])
        // The snapshot refuses a lookup with another type than the value has, so ask for each in turn.
        // Numbers before booleans: the snapshot takes 7 for true.
        for type: ConfigType in [.string, .int, .double, .bool, .stringArray] {
            guard let found = try? snapshot.value(forKey: key, type: type), let value = found.value else { continue }
            switch value.content {
            case .string(let text): return text
            case .int(let number): return String(number)
            case .double(let number): return String(number)
            case .bool(let flag): return String(flag)
            case .stringArray(let items): return items.joined(separator: ",")
            default: continue
            }
        }
        return nil
    }

    private struct Anything: Decodable {
        init(from decoder: any Decoder) {}
    }
}
