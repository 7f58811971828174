//! The same key in all encodings that OpenSSL writes (`ecparam -genkey`, `pkcs8 -topk8`, `ec -pubout`), for each curve.
//! Made only for these tests.

use super::Curve;

/// The lines between the first and the last of each PEM block.
pub(super) struct OpenSslKey {
    pub(super) curve: Curve,
    pub(super) parameters: &'static str,
    pub(super) sec1: &'static str,
    pub(super) pkcs8: &'static str,
    pub(super) public: &'static str,
    pub(super) compressed: &'static str,
}

pub(super) const KEYS: [OpenSslKey; 4] = [
    OpenSslKey {
        curve: Curve::Secp256k1,
        parameters: "BgUrgQQACg==",
        sec1: "MHQCAQEEIPOUMOEECgC9bIkqS1WrHbqwGKtT4IB8KlC8jTzGz1X3oAcGBSuBBAAK\n\
            oUQDQgAEG3/5Ergwcoh/ZZHrIHNpEnD9wbz9NAPa4K++tNNDTd0hBBTNp4v1GmUc\n\
            qeQBwgNE08XEkSPT1/p6656arIiOVA==",
        pkcs8: "MIGEAgEAMBAGByqGSM49AgEGBSuBBAAKBG0wawIBAQQg85Qw4QQKAL1siSpLVasd\n\
            urAYq1PggHwqULyNPMbPVfehRANCAAQbf/kSuDByiH9lkesgc2kScP3BvP00A9rg\n\
            r76000NN3SEEFM2ni/UaZRyp5AHCA0TTxcSRI9PX+nrrnpqsiI5U",
        public: "MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAEG3/5Ergwcoh/ZZHrIHNpEnD9wbz9NAPa\n\
            4K++tNNDTd0hBBTNp4v1GmUcqeQBwgNE08XEkSPT1/p6656arIiOVA==",
        compressed: "MDYwEAYHKoZIzj0CAQYFK4EEAAoDIgACG3/5Ergwcoh/ZZHrIHNpEnD9wbz9NAPa\n\
            4K++tNNDTd0=",
    },
    OpenSslKey {
        curve: Curve::Secp256r1,
        parameters: "BggqhkjOPQMBBw==",
        sec1: "MHcCAQEEIDm8yWxmRopkGyOZCSGdcG3nDb6Clcr6JSFS2MGk/rfroAoGCCqGSM49\n\
            AwEHoUQDQgAEGOJch0kj9vXXD60E8T7zPXGozOfoJR25udxEyqPLP3psPG0L1/4d\n\
            2wIt/2mmC1HkXrCq0pbYaofWM8vBDh8fVg==",
        pkcs8: "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgObzJbGZGimQbI5kJ\n\
            IZ1wbecNvoKVyvolIVLYwaT+t+uhRANCAAQY4lyHSSP29dcPrQTxPvM9cajM5+gl\n\
            Hbm53ETKo8s/emw8bQvX/h3bAi3/aaYLUeResKrSlthqh9Yzy8EOHx9W",
        public: "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEGOJch0kj9vXXD60E8T7zPXGozOfo\n\
            JR25udxEyqPLP3psPG0L1/4d2wIt/2mmC1HkXrCq0pbYaofWM8vBDh8fVg==",
        compressed: "MDkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDIgACGOJch0kj9vXXD60E8T7zPXGozOfo\n\
            JR25udxEyqPLP3o=",
    },
    OpenSslKey {
        curve: Curve::Secp224r1,
        parameters: "BgUrgQQAIQ==",
        sec1: "MGgCAQEEHKFqhZujIZw2b5SiOptsbBu/ERuNIHU8qmVky3egBwYFK4EEACGhPAM6\n\
            AASVAcHTUNiN6Sv6582YUP37KwHrqwZ8g2pEVRU50kIT72LeB673SrIlI5WGKSpg\n\
            u1OCwMFAUKNFGg==",
        pkcs8: "MHgCAQAwEAYHKoZIzj0CAQYFK4EEACEEYTBfAgEBBByhaoWboyGcNm+UojqbbGwb\n\
            vxEbjSB1PKplZMt3oTwDOgAElQHB01DYjekr+ufNmFD9+ysB66sGfINqRFUVOdJC\n\
            E+9i3geu90qyJSOVhikqYLtTgsDBQFCjRRo=",
        public: "ME4wEAYHKoZIzj0CAQYFK4EEACEDOgAElQHB01DYjekr+ufNmFD9+ysB66sGfINq\n\
            RFUVOdJCE+9i3geu90qyJSOVhikqYLtTgsDBQFCjRRo=",
        compressed: "MDIwEAYHKoZIzj0CAQYFK4EEACEDHgAClQHB01DYjekr+ufNmFD9+ysB66sGfINq\n\
            RFUVOQ==",
    },
    OpenSslKey {
        curve: Curve::Secp192r1,
        parameters: "BggqhkjOPQMBAQ==",
        sec1: "MF8CAQEEGO8IDToRmKRTvYQRywT3LRdklNQz2OkIh6AKBggqhkjOPQMBAaE0AzIA\n\
            BOa2J/XT8VIkV7z/ndzIyzNjWOu7dIXZt6lHZoeSGeewVYoby6JZqskdwGCo1c2h\n\
            nw==",
        pkcs8: "MG8CAQAwEwYHKoZIzj0CAQYIKoZIzj0DAQEEVTBTAgEBBBjvCA06EZikU72EEcsE\n\
            9y0XZJTUM9jpCIehNAMyAATmtif10/FSJFe8/53cyMszY1jru3SF2bepR2aHkhnn\n\
            sFWKG8uiWarJHcBgqNXNoZ8=",
        public: "MEkwEwYHKoZIzj0CAQYIKoZIzj0DAQEDMgAE5rYn9dPxUiRXvP+d3MjLM2NY67t0\n\
            hdm3qUdmh5IZ57BVihvLolmqyR3AYKjVzaGf",
        compressed: "MDEwEwYHKoZIzj0CAQYIKoZIzj0DAQEDGgAD5rYn9dPxUiRXvP+d3MjLM2NY67t0\n\
            hdm3",
    },
];

/// A public key that specifies its curve as numbers instead of by name (`-param_enc explicit`).
pub(super) const EXPLICIT_CURVE: &str = "MIIBKjCB6wYHKoZIzj0CATCB3wIBATAoBgcqhkjOPQEBAh0A////////////////\n\
    /////wAAAAAAAAAAAAAAATBTBBz////////////////////+///////////////+\n\
    BBy0BQqFDASzq/VBMlZQRLC317/YuicLOUMjVf+0AxUAvXE0R5nVx/zcRbWfo7mr\n\
    j2qUi8UEOQS3Dgy9a7S/fzITkLlKA8HTVsIRIjQygNYRXB0hvTdjiLX3I/tMIt/m\n\
    zUN1oFoHR2RE1YGZhQB+NAIdAP//////////////////FqLguPA+E90pRVxcKj0C\n\
    AQEDOgAElQHB01DYjekr+ufNmFD9+ysB66sGfINqRFUVOdJCE+9i3geu90qyJSOV\n\
    hikqYLtTgsDBQFCjRRo=";
