"""The kinds of contact points, with what people call them."""

KINDS = {"email": "E-mail", "phone": "Phone", "whatsapp": "WhatsApp", "push": "Push token"}
