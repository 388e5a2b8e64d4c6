/// Where a bus listens. Written as a URL: `unix:/run/roost/registry-1.sock`.
public enum BusAddress: Hashable, Sendable {
    /// A Unix socket on this host.
    case unix(path: String)

    /// Parses a URL. Refuses unknown schemes, empty paths, and paths that do not fit into a socket address (107 bytes).
    public init(parsing text: String) throws(BusAddressError) {
        guard let colon = text.firstIndex(of: ":") else { throw .noScheme(text) }
        let scheme = text[..<colon]
        var path = text[text.index(after: colon)...]
        guard scheme == "unix" else { throw .unknownScheme(text) }
        // `unix:///run/x` and `unix:/run/x` are the same.
        if path.hasPrefix("///") { path = path.dropFirst(2) }
        guard !path.isEmpty, !path.utf8.contains(0) else { throw .noPath(text) }
        guard path.utf8.count <= 107 else { throw .pathTooLong(text) }
        self = .unix(path: String(path))
    }

    /// Parses a list, separated by commas; spaces around entries are ignored, and so are empty entries.
    public static func list(parsing text: String) throws(BusAddressError) -> [BusAddress] {
        var list: [BusAddress] = []
        for part in text.split(separator: ",") {
            let trimmed = part.drop { $0 == " " }
            let end = trimmed.lastIndex { $0 != " " }
            guard let end else { continue }
            list.append(try BusAddress(parsing: String(trimmed[...end])))
        }
        return list
    }
}

extension BusAddress: CustomStringConvertible {
    /// The URL.
    public var description: String {
        switch self {
        case .unix(let path): "unix:\(path)"
        }
    }
}

/// Why a bus address is refused.
public enum BusAddressError: Error, Sendable, Hashable, CustomStringConvertible {
    /// No `scheme:` in front.
    case noScheme(String)
    /// A scheme that is not known.
    case unknownScheme(String)
    /// Nothing after the scheme.
    case noPath(String)
    /// Too long for a socket address.
    case pathTooLong(String)

    /// What is wrong, with which address, and what to do.
    public var description: String {
        switch self {
        case .noScheme(let text): "bus address '\(text)' has no scheme: write unix:/path/of.sock"
        case .unknownScheme(let text): "bus address '\(text)' has an unknown scheme: write unix:/path/of.sock"
        case .noPath(let text): "bus address '\(text)' has no path: write unix:/path/of.sock"
        case .pathTooLong(let text): "bus address '\(text)' is over 107 bytes: choose a shorter run folder"
        }
    }
}
