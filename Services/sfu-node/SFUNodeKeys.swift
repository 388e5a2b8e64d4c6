import Attachment
public import ServiceKit

/// The keys of an sfu-node beside the common ones.
public enum SFUNodeKeys {
    /// How many rooms at most.
    public static let maxRooms: ConfigurationKey<Int> = .number(
        "max-rooms", "Rooms this node takes at most.", in: 1...100_000, default: RoomLimits().rooms)

    /// How many members in one room at most.
    public static let maxMembers: ConfigurationKey<Int> = .number(
        "max-members", "Members of one room at most.", in: 2...1_000, default: RoomLimits().members)

    /// All of them, in the order of the table.
    public static let all: [any AnyConfigurationKey] = [AttachmentKeys.registry, maxRooms, maxMembers]
}
