public import ServiceKit

/// The key of every process that attaches to a registry.
public enum AttachmentKeys {
    /// Where registries are.
    public static let registry: ConfigurationKey<[String]> = .busAddresses(
        "registry", "Bus addresses of the registries, in the order of trying.", placeholder: "unix:PATH,…",
        default: ["unix:/run/roost/registry-1.sock"])

    /// Where registries are, for a service that is of use without them: `none` means that it stands alone.
    public static let registryOrNone: ConfigurationKey<[String]> = .busAddresses(
        "registry", "Bus addresses of the registries, in the order of trying; none: this server stands alone.",
        placeholder: "unix:PATH,…|none", default: ["unix:/run/roost/registry-1.sock"], none: "none")
}
