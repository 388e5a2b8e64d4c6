import Bus
public import ServiceKit

/// The key of every process that attaches to a registry.
public enum AttachmentKeys {
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
}
