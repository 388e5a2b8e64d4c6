import Addresses
import Attachment
public import ServiceKit

/// The keys of an sfu-node beside the common ones.
public enum SFUNodeKeys {
    /// How many rooms at most. No more than a registry takes in one heartbeat.
    public static let maxRooms: ConfigurationKey<Int> = .number(
        "max-rooms", "Rooms this node takes at most.", in: 1...20_000, default: RoomLimits().rooms)

    /// How many members in one room at most.
    public static let maxMembers: ConfigurationKey<Int> = .number(
        "max-members", "Members of one room at most.", in: 2...1_000, default: RoomLimits().members)

    /// Where media is taken.
    public static let mediaListen: ConfigurationKey<[String]> = list(
        "media-listen",
        "Addresses for media, UDP and TCP, IPv6 in brackets; each worker takes the next port, port 0 is any free one.",
        placeholder: "ADDRESS:PORT,…", default: ["0.0.0.0:20000", "[::]:20000"],
        expected: "expected addresses such as 0.0.0.0:20000 or [::]:20000, with commas between them"
    ) { Endpoint($0) != nil }

    /// Where clients are told to send media.
    public static let mediaAddress: ConfigurationKey<[String]> = list(
        "media-address",
        "Where clients are told to send media (behind a 1:1 NAT: its public address); the host's own unless given.",
        placeholder: "ADDRESS,…", default: [],
        expected: "expected addresses such as 192.0.2.1 or 2001:db8::1, with commas between them"
    ) { IPAddress($0) != nil }

    /// Threads that carry media.
    public static let mediaWorkers: ConfigurationKey<Int> = .number(
        "media-workers", "Threads that carry media, each with its own ports; a room lives on one.",
        in: 1...64,
        default: 1)

    /// All of them, in the order of the table.
    public static let all: [any AnyConfigurationKey] = [
        AttachmentKeys.registry, maxRooms, maxMembers, mediaListen, mediaAddress, mediaWorkers,
    ]

    private static func list(
        _ name: String, _ help: String, placeholder: String, default value: [String], expected: String,
        _ isGood: @escaping @Sendable (String) -> Bool
    ) -> ConfigurationKey<[String]> {
        ConfigurationKey(
            name, help, placeholder: placeholder, default: value, shown: value.joined(separator: ",")
        ) { text throws(ConfigurationProblem) in
            let items = text.split(separator: ",").map { $0.filter { $0 != " " } }.filter { !$0.isEmpty }
            guard items.allSatisfy(isGood) else { throw ConfigurationProblem(expected) }
            return items
        }
    }
}
