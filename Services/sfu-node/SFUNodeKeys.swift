import Bus
public import ServiceKit

/// The keys of an sfu-node beside the common ones.
public enum SFUNodeKeys {
    /// Where registries are.
    public static let registry: ConfigurationKey<[String]> = ConfigurationKey(
        "registry", "Bus addresses of the registries, in the order of trying.", placeholder: "unix:PATH,…",
        default: ["unix:/run/roost/registry-1.sock"], shown: "unix:/run/roost/registry-1.sock"
    ) { text throws(ConfigurationProblem) in
        do throws(BusAddressError) {
            let addresses = try BusAddress.list(parsing: text)
            guard !addresses.isEmpty else { throw BusAddressError.noPath(text) }
            return addresses.map { "\($0)" }
        } catch {
            throw ConfigurationProblem("expected bus addresses such as unix:/run/roost/registry-1.sock: \(error)")
        }
    }

    /// How many rooms at most.
    public static let maxRooms: ConfigurationKey<Int> = .number(
        "max-rooms", "Rooms this node takes at most.", in: 1...100_000, default: RoomLimits().rooms)

    /// How many members in one room at most.
    public static let maxMembers: ConfigurationKey<Int> = .number(
        "max-members", "Members of one room at most.", in: 2...1_000, default: RoomLimits().members)

    /// All of them, in the order of the table.
    public static let all: [any AnyConfigurationKey] = [registry, maxRooms, maxMembers]
}
