/// Short named texts that travel with a call, beside its message: `call-id` goes through all services.
///
/// At most 32 entries of 4 KiB together (`WireLimits`): more is refused when sent and when received.
public struct BusMetadata: Sendable, Hashable {
    /// The entries in the order they were set; keys in lower case.
    public private(set) var entries: [Entry] = []

    /// One named text.
    public struct Entry: Sendable, Hashable {
        /// The name, in lower case.
        public let key: String
        /// The text.
        public let value: String
    }

    /// No entries.
    public init() {}

    /// The text under a key, or nil. Setting nil removes it. Keys are compared in lower case.
    public subscript(key: String) -> String? {
        get {
            guard !entries.isEmpty else { return nil }
            let key = key.lowercased()
            return entries.first { $0.key == key }?.value
        }
        set {
            let key = key.lowercased()
            entries.removeAll { $0.key == key }
            if let newValue { entries.append(Entry(key: key, value: newValue)) }
        }
    }
}

extension BusMetadata: ExpressibleByDictionaryLiteral {
    /// `["call-id": "c-1"]`
    public init(dictionaryLiteral elements: (String, String)...) {
        for (key, value) in elements { self[key] = value }
    }
}
