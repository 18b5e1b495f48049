"""Names that fit together, by the community they come from: (women's, men's, family names)."""

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Community:
    """First and family names that are used together."""

    women: tuple[str, ...]
    men: tuple[str, ...]
    families: tuple[str, ...]


def _community(women: str, men: str, families: str) -> Community:
    # Family names may be of two words ("van der Merwe"), so theirs are parted by commas.
    return Community(tuple(women.split()), tuple(men.split()), tuple(one.strip() for one in families.split(",")))


AFRIKAANS = _community(
    "Annelie Anri Carien Christelle Elmarie Elsabé Esmé Ilse Jeanne Karien Lizelle Madelein Marietjie Marlene Mieke"
    " Minette Riana Ronel Sonja Tania Zelda Zoë",
    "André Barend Christo Danie Deon Dewald Francois Gerhard Hannes Hendrik Jaco Johan Kobus Leon Marius Morné Neels"
    " Pieter Renier Riaan Ruan Schalk Stefan Wynand",
    "Botha, Coetzee, Cronjé, de Villiers, du Plessis, du Toit, Erasmus, Fourie, Grobler, Joubert, Kruger, le Roux,"
    " Malan, Marais, Nel, Oosthuizen, Pienaar, Pretorius, Roux, Smit, Steyn, Swanepoel, van der Merwe, van Niekerk,"
    " van Rooyen, Venter, Viljoen, Visser, Vosloo",
)
ENGLISH = _community(
    "Alison Belinda Bridget Caroline Claire Deborah Emma Gillian Hannah Heather Jessica Kate Laura Lesley Megan Nicola"
    " Penelope Robyn Sarah Shirley Tracey Wendy",
    "Adam Andrew Brett Bruce Clive Craig Darren Derek Dylan Gareth Graham Greg Ian Justin Keith Kevin Luke Mark Neil"
    " Patrick Ross Russell Simon Warren",
    "Abbott, Anderson, Bailey, Barnard, Bennett, Carter, Clarke, Collins, Cooper, Dawson, Edwards, Fletcher, Foster,"
    " Gibson, Harris, Hughes, Jackson, Lawson, Mitchell, Palmer, Parsons, Reynolds, Saunders, Shaw, Turner, Walsh,"
    " Watkins, Wood",
)
NGUNI = _community(
    "Ayanda Bongiwe Busisiwe Gugu Hlengiwe Khanyisile Lindiwe Lungile Nandi Noluthando Nomfundo Nomvula Nonhle"
    " Ntombi Phumzile Siphokazi Sibongile Thandeka Thandi Thembi Zandile Zanele",
    "Andile Bheki Bongani Jabulani Khaya Lwazi Mandla Mthunzi Musa Njabulo Nkosinathi Sandile Sibusiso Sipho Siyabonga"
    " Sizwe Thabani Themba Thulani Vuyo Xolani Zola",
    "Buthelezi, Cele, Dlamini, Gumede, Hadebe, Khumalo, Madikizela, Majola, Mazibuko, Mbeki, Mhlongo, Mkhize, Mthembu,"
    " Ndlovu, Ngcobo, Nkosi, Ntuli, Shabalala, Sibiya, Sithole, Xaba, Zondi, Zulu, Zwane",
)
SOTHO = _community(
    "Boitumelo Dineo Keabetswe Kelebogile Lebogang Lerato Masego Mpho Naledi Palesa Puleng Refilwe Relebogile Tebogo"
    " Tshepiso",
    "Karabo Katlego Kagiso Lebohang Lesego Moeketsi Neo Oratile Tau Teboho Thabo Thato Tshepo Tumelo Tumi",
    "Kekana, Lekota, Mabena, Mahlangu, Maluleke, Maseko, Mashaba, Mofokeng, Mogale, Mokoena, Molefe, Moloi, Motaung,"
    " Phiri, Ramaphala, Rapulana, Sekgobela, Tladi, Tsotetsi",
)
CAPE_AND_DURBAN = _community(
    "Aaliyah Anisa Ashwini Fatima Kavitha Nadia Nazreen Priya Rehana Rukaya Saira Shanaaz Shireen Tasneem Yasmin",
    "Abdul Ashraf Ebrahim Faizel Imraan Keshan Logan Nazeem Prashant Rajen Riyaad Rushdi Sashin Shaun Yusuf Zaid",
    "Abrahams, Adams, Chetty, Davids, Ebrahim, Essop, Govender, Hendricks, Isaacs, Jacobs, Maharaj, Moodley, Naidoo,"
    " Patel, Petersen, Pillay, Reddy, Salie, Samuels",
)
SCOTTISH = _community(
    "Aileen Ailsa Catriona Eilidh Elspeth Fiona Iona Isla Jean Kirsty Lorna Mairi Margaret Morag Moira Rhona Rona"
    " Shona Skye Una",
    "Alasdair Angus Archie Blair Callum Cameron Craig Donald Douglas Duncan Ewan Fergus Finlay Fraser Gordon Gregor"
    " Hamish Iain Kenneth Lachlan Malcolm Murdo Niall Rory Ross Stuart",
    "Baird, Buchanan, Cameron, Campbell, Drummond, Farquhar, Ferguson, Forbes, Fraser, Galbraith, Grant, Henderson,"
    " Innes, Kerr, MacAllister, MacDonald, MacKay, MacKenzie, MacLeod, McIntyre, McLean, Menzies, Munro, Murray,"
    " Ramsay, Robertson, Sinclair, Stewart, Sutherland, Urquhart",
)
COMMUNITIES = {
    "ZA": ((AFRIKAANS, 30), (ENGLISH, 27), (NGUNI, 18), (SOTHO, 12), (CAPE_AND_DURBAN, 13)),
    "GB": ((SCOTTISH, 75), (ENGLISH, 25)),
}


def community(random: Random, country: str) -> Community:
    """Return one of the communities of a country, the larger ones more often."""
    choices, weights = zip(*COMMUNITIES[country], strict=True)
    found: Community = random.choices(choices, weights)[0]
    return found
