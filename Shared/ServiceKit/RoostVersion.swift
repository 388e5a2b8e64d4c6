/// Which Roost this is: programs say it to people, to registries and in their metrics.
public enum RoostVersion {
    /// The release, as in CHANGELOG.md; the same for all programs.
    public static let text = "0.1"
}
