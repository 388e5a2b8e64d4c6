import Registry

await Registry.main()
