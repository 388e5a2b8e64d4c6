import Bus
public import ServiceKit

/// The key of every process that attaches to a registry.
public enum AttachmentKeys {
    /// Where registries are.
    public static let registry: ConfigurationKey<[String]> = registries(
        "Bus addresses of the registries, in the order of trying.", placeholder: "unix:PATH,…", allowsNone: false)

    /// Where registries are, for a service that is of use without them: `none` means that it stands alone.
    public static let registryOrNone: ConfigurationKey<[String]> = registries(
        "Bus addresses of the registries, in the order of trying; none: this server stands alone.",
        placeholder: "unix:PATH,…|none", allowsNone: true)

    private static func registries(_ help: String, placeholder: String, allowsNone: Bool) -> ConfigurationKey<[String]>
    {
        ConfigurationKey(
            "registry", help, placeholder: placeholder, default: ["unix:/run/roost/registry-1.sock"],
            shown: "unix:/run/roost/registry-1.sock"
        ) { text throws(ConfigurationProblem) in
            if allowsNone, text == "none" { return [] }
            do throws(BusAddressError) {
                let addresses = try BusAddress.list(parsing: text)
                guard !addresses.isEmpty else { throw BusAddressError.noPath(text) }
                return addresses.map { "\($0)" }
            } catch {
                throw ConfigurationProblem("expected bus addresses such as unix:/run/roost/registry-1.sock: \(error)")
            }
        }
    }
}
