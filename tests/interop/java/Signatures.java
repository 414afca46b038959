// XML signatures by the JDK alone, to hold ours against: no line of this is shared with the gateway.
//
//   java Signatures.java verify CERTIFICATE FILE...             one line per FILE: "valid" or "invalid"
//   java Signatures.java receipt KEY CERTIFICATE IN OUT         enveloped signature, X509Data
//   java Signatures.java envelope KEY CERTIFICATE IN OUT        WS-Security: Body and Timestamp, token reference

import java.io.File;
import java.io.FileInputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import javax.xml.crypto.KeySelector;
import javax.xml.crypto.dom.DOMStructure;
import javax.xml.crypto.dsig.CanonicalizationMethod;
import javax.xml.crypto.dsig.DigestMethod;
import javax.xml.crypto.dsig.Reference;
import javax.xml.crypto.dsig.SignedInfo;
import javax.xml.crypto.dsig.Transform;
import javax.xml.crypto.dsig.XMLSignature;
import javax.xml.crypto.dsig.XMLSignatureFactory;
import javax.xml.crypto.dsig.dom.DOMSignContext;
import javax.xml.crypto.dsig.dom.DOMValidateContext;
import javax.xml.crypto.dsig.keyinfo.KeyInfo;
import javax.xml.crypto.dsig.keyinfo.KeyInfoFactory;
import javax.xml.crypto.dsig.spec.C14NMethodParameterSpec;
import javax.xml.crypto.dsig.spec.TransformParameterSpec;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.transform.TransformerFactory;
import javax.xml.transform.dom.DOMSource;
import javax.xml.transform.stream.StreamResult;
import org.w3c.dom.Attr;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;

public class Signatures {
    static final String DS = XMLSignature.XMLNS;
    static final String WSS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-";
    static final String WSSE = WSS + "wssecurity-secext-1.0.xsd";
    static final String WSU = WSS + "wssecurity-utility-1.0.xsd";
    static final String X509V3 = WSS + "x509-token-profile-1.0#X509v3";
    static final XMLSignatureFactory FACTORY = XMLSignatureFactory.getInstance("DOM");

    public static void main(String[] args) throws Exception {
        if (args[0].equals("verify")) {
            X509Certificate trusted = certificate(args[1]);
            for (int i = 2; i < args.length; i++) {
                System.out.println(verify(args[i], trusted) ? "valid" : "invalid");
            }
            return;
        }
        PrivateKey key = key(args[1]);
        X509Certificate certificate = certificate(args[2]);
        Document document = parse(args[3]);
        if (args[0].equals("receipt")) {
            signReceipt(document, key, certificate);
        } else {
            signEnvelope(document, key);
        }
        TransformerFactory.newInstance().newTransformer()
            .transform(new DOMSource(document), new StreamResult(new File(args[4])));
    }

    static boolean verify(String file, X509Certificate trusted) throws Exception {
        NodeList found = parse(file).getElementsByTagNameNS(DS, "Signature");
        KeySelector selector = KeySelector.singletonKeySelector(trusted.getPublicKey());
        DOMValidateContext context = new DOMValidateContext(selector, found.item(0));
        return found.getLength() == 1 && FACTORY.unmarshalXMLSignature(context).validate(context);
    }

    static void signReceipt(Document document, PrivateKey key, X509Certificate certificate) throws Exception {
        KeyInfoFactory keys = FACTORY.getKeyInfoFactory();
        KeyInfo info = keys.newKeyInfo(List.of(keys.newX509Data(List.of(certificate))));
        Reference whole = reference("", Transform.ENVELOPED, CanonicalizationMethod.EXCLUSIVE);
        sign(document.getDocumentElement(), List.of(whole), info, key);
    }

    static void signEnvelope(Document document, PrivateKey key) throws Exception {
        Element pointer = document.createElementNS(WSSE, "wsse:Reference");
        pointer.setAttribute("URI", "#token");
        pointer.setAttribute("ValueType", X509V3);
        Element holder = document.createElementNS(WSSE, "wsse:SecurityTokenReference");
        holder.appendChild(pointer);
        KeyInfo info = FACTORY.getKeyInfoFactory().newKeyInfo(List.of(new DOMStructure(holder)));
        List<Reference> both = new ArrayList<>();
        both.add(reference("#time", CanonicalizationMethod.EXCLUSIVE));
        both.add(reference("#the-body", CanonicalizationMethod.EXCLUSIVE));
        sign((Element) document.getElementsByTagNameNS(WSSE, "Security").item(0), both, info, key);
    }

    static Reference reference(String uri, String... transforms) throws Exception {
        List<Transform> list = new ArrayList<>();
        for (String transform : transforms) {
            list.add(FACTORY.newTransform(transform, (TransformParameterSpec) null));
        }
        return FACTORY.newReference(uri, FACTORY.newDigestMethod(DigestMethod.SHA256, null), list, null, null);
    }

    static void sign(Element parent, List<Reference> references, KeyInfo info, PrivateKey key) throws Exception {
        SignedInfo signed = FACTORY.newSignedInfo(
            FACTORY.newCanonicalizationMethod(CanonicalizationMethod.EXCLUSIVE, (C14NMethodParameterSpec) null),
            FACTORY.newSignatureMethod("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", null), references);
        FACTORY.newXMLSignature(signed, info).sign(new DOMSignContext(key, parent));
    }

    static Document parse(String file) throws Exception {
        DocumentBuilderFactory builders = DocumentBuilderFactory.newInstance();
        builders.setNamespaceAware(true);
        builders.setFeature("http://apache.org/xml/features/disallow-doctype-decl", true);
        Document document = builders.newDocumentBuilder().parse(new File(file));
        NodeList all = document.getElementsByTagNameNS("*", "*");
        for (int i = 0; i < all.getLength(); i++) {
            Element element = (Element) all.item(i);
            for (String namespace : new String[] {null, WSU}) {
                Attr id = element.getAttributeNodeNS(namespace, "Id");
                if (id != null) {
                    element.setIdAttributeNode(id, true);
                }
            }
        }
        return document;
    }

    static X509Certificate certificate(String file) throws Exception {
        try (FileInputStream stream = new FileInputStream(file)) {
            return (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(stream);
        }
    }

    static PrivateKey key(String file) throws Exception {
        String pem = Files.readString(Path.of(file)).replaceAll("-----[A-Z ]+-----", "").replaceAll("\\s", "");
        return KeyFactory.getInstance("RSA").generatePrivate(new PKCS8EncodedKeySpec(Base64.getDecoder().decode(pem)));
    }
}
