"""Game servers by the ids of GameDig, and how each is asked.

A group is a protocol, the usual port, and where questions go when they do not go to that port: `+1` is that much above it, `27016` is a
port of its own. Games of protocols that are not spoken here are left out.
"""

from dataclasses import dataclass

SOURCE, MINECRAFT, RAKNET, FIVEM, TEAMSPEAK3 = "source", "minecraft", "raknet", "fivem", "teamspeak3"


@dataclass(frozen=True, slots=True)
class Game:
    """One game. `query_port` and `query_offset`: where it listens for questions, if not at its own port."""

    id: str
    title: str
    protocol: str
    port: int
    query_port: int | None = None
    query_offset: int = 0

    def ports(self, given: int, *, guess: bool) -> tuple[int, ...]:
        """Where to ask a server of which one port is known, the likeliest first."""
        if not guess:
            return (given,)
        likely = [given + self.query_offset] if self.query_offset else []
        if self.query_port and given == self.port:
            likely.append(self.query_port)
        return tuple(dict.fromkeys(port for port in (*likely, given) if 0 < port < 65_536))


_GROUPS = (
    (
        SOURCE,
        27015,
        "",
        "abioticfactor Abiotic Factor|actionsource Action: Source|ahl Action Half-Life|aoc Age of Chivalry|alienswarm Alien Swarm|"
        "avp2010 Aliens vs. Predator 2010|basedefense Base Defense|blackmesa Black Mesa|bladesymphony Blade Symphony|brainbread BrainBread|"
        "brainbread2 BrainBread 2|brink Brink|codenamecure Codename CURE|contagion Contagion|counterstrike15 Counter-Strike 1.5|"
        "counterstrike16 Counter-Strike 1.6|counterstrike2 Counter-Strike 2|cscz Counter-Strike: Condition Zero|"
        "csgo Counter-Strike: Global Offensive|css Counter-Strike: Source|dab Double Action: Boogaloo|"
        "deathmatchclassic Deathmatch Classic|dmomam Dark Messiah of Might and Magic|dod Day of Defeat|dods Day of Defeat: Source|"
        "doi Day of Infamy|dota2 Dota 2|dow Days of War|ddd Dino D-Day|dystopia Dystopia|empiresmod Empires Mod|fof Fistful of Frags|"
        "fortressforever Fortress Forever|foundry FOUNDRY|garrysmod Garry's Mod|goldeneyesource GoldenEye: Source|"
        "groundbreach Ground Breach|gunmanchronicles Gunman Chronicles|hl2d Half-Life 2: Deathmatch|hld Half-Life Deathmatch|"
        "hlds Half-Life Deathmatch: Source|hlof Half-Life: Opposing Force|hll Hell Let Loose|homefront Homefront|icarus Icarus|"
        "imic Insurgency: Modern Infantry Combat|insurgency Insurgency|kreedzclimbing Kreedz Climbing|l4d Left 4 Dead|l4d2 Left 4 Dead 2|"
        "medievalengineers Medieval Engineers|naturalselection Natural Selection|nla Nova-Life: Amboise|nmrih No More Room in Hell|"
        "nucleardawn Nuclear Dawn|pvak2 Pirates, Vikings, and Knights II|rdkf Rag Doll Kung Fu|ricochet Ricochet|"
        "rs2v Rising Storm 2: Vietnam|shatteredhorizon Shattered Horizon|sinepisodes SiN Episodes|spaceengineers Space Engineers|"
        "suicidesurvival Suicide Survival|svencoop Sven Coop|synergy Synergy|teamfortress2 Team Fortress 2|tfc Team Fortress Classic|"
        "thefront The Front|thehidden The Hidden|theship The Ship|thespecialists The Specialists|towerunite Tower Unite|"
        "vampireslayer Vampire Slayer|zombiemaster Zombie Master|zps Zombie Panic: Source",
    ),
    (
        SOURCE,
        27015,
        "+1",
        "ballisticoverkill Ballistic Overkill|barotrauma Barotrauma|ets2 Euro Truck Simulator 2|"
        "insurgencysandstorm Insurgency: Sandstorm|naturalselection2 Natural Selection 2|projectcars Project Cars|"
        "projectcars2 Project Cars 2|ror2 Risk of Rain 2|theforest The Forest|unturned Unturned|vrising V Rising",
    ),
    (
        SOURCE,
        7777,
        "27015",
        "ase Ark: Survival Evolved|conanexiles Conan Exiles|dal Dark and Light|dayofdragons Day of Dragons|killingfloor2 Killing Floor 2|"
        "mordhau Mordhau|pce Primal Carnage: Extinction|pixark PixARK|redorchestra2 Red Orchestra 2",
    ),
    (SOURCE, 2302, "+1", "a2oa ARMA 2: Operation Arrowhead|arma2 ARMA 2|arma3 ARMA 3|dayzmod DayZ Mod"),
    (SOURCE, 2302, "+24714", "dayz DayZ"),
    (SOURCE, 2001, "17777", "armareforger ARMA: Reforger"),
    (SOURCE, 8777, "27020", "aapg America's Army: Proving Grounds|americasarmy3 America's Army 3"),
    (SOURCE, 8777, "27015", "soulmask Soulmask"),
    (SOURCE, 5761, "+51800", "atlas Atlas"),
    (SOURCE, 27000, "+20", "avorion Avorion"),
    (SOURCE, 7777, "+3", "battalion1944 Battalion 1944"),
    (SOURCE, 27016, "", "breach Breach"),
    (SOURCE, 27017, "", "codbo3 Call of Duty: Black Ops 3"),
    (SOURCE, 27015, "+2", "codmw3 Call of Duty: Modern Warfare 3"),
    (SOURCE, 7777, "+2", "cmw Chivalry: Medieval Warfare"),
    (SOURCE, 27004, "", "colonysurvival Colony Survival"),
    (SOURCE, 1234, "+1", "corekeeper Core Keeper"),
    (SOURCE, 26900, "+1", "creativerse Creativerse|sdtd 7 Days to Die"),
    (SOURCE, 10999, "27016", "dst Don't Starve Together"),
    (SOURCE, 30000, "+1", "egs Empyrion - Galactic Survival"),
    (SOURCE, 15636, "15637", "enshrouded Enshrouded"),
    (SOURCE, 12871, "12881", "hurtworld Hurtworld"),
    (SOURCE, 7707, "+1", "theisle The Isle"),
    (SOURCE, 4200, "+1", "jc3m Just Cause 3 - Multiplayer"),
    (SOURCE, 12888, "", "moe Myth of Empires"),
    (SOURCE, 7777, "27016", "mnc Monday Night Combat"),
    (SOURCE, 7777, "27005", "ohd Operation: Harsh Doorstop"),
    (SOURCE, 7777, "-1", "onset Onset"),
    (SOURCE, 10037, "", "postscriptum Post Scriptum"),
    (SOURCE, 16261, "", "projectzomboid Project Zomboid"),
    (SOURCE, 27960, "", "quakelive Quake Live"),
    (SOURCE, 64299, "", "rfactor2 rFactor 2"),
    (SOURCE, 4255, "-1", "risingworld Rising World"),
    (SOURCE, 28015, "", "rust Rust"),
    (SOURCE, 8766, "27016", "sotf Sons Of The Forest"),
    (SOURCE, 7787, "27165", "squad Squad"),
    (SOURCE, 21025, "", "starbound Starbound"),
    (SOURCE, 7950, "+1", "stn Survive the Nights"),
    (SOURCE, 2456, "+1", "valheim Valheim"),
    (SOURCE, 3724, "27016", "wurmunlimited Wurm Unlimited"),
    (MINECRAFT, 25565, "", "minecraft Minecraft"),
    (RAKNET, 19132, "", "mbe Minecraft: Bedrock Edition"),
    (FIVEM, 30120, "", "gta5f Grand Theft Auto V - FiveM|rdr2r Red Dead Redemption 2 - RedM"),
    (TEAMSPEAK3, 9987, "", "teamspeak3 TeamSpeak 3"),
    (
        "samp",
        7777,
        "",
        "gtasam Grand Theft Auto: San Andreas Multiplayer|gtasao Grand Theft Auto: San Andreas OpenMP",
    ),
    ("vcmp", 8192, "", "vcm Vice City Multiplayer"),
    (
        "ase",
        22003,
        "+123",
        "gtasamta Grand Theft Auto: San Andreas - Multi Theft Auto|gtavcmta Grand Theft Auto: Vice City - Multi Theft Auto",
    ),
    ("ase", 27224, "", "aoe2 Age of Empires 2"),
    ("ase", 49001, "+123", "farcry Far Cry"),
    ("ase", 14001, "", "farcry2 Far Cry 2"),
    ("ase", 3455, "+123", "painkiller Painkiller"),
    ("ase", 13073, "+123", "soldat Soldat"),
    ("quake1", 27500, "", "quake Quake"),
    ("quake2", 27910, "", "alienarena Alien Arena|quake2 Quake 2"),
    (
        "quake3",
        28960,
        "",
        "cod Call of Duty|cod2 Call of Duty 2|cod3 Call of Duty 3|cod4mw Call of Duty 4: Modern Warfare|"
        "codmw2 Call of Duty: Modern Warfare 2|coduo Call of Duty: United Offensive|codwaw Call of Duty: World at War",
    ),
    (
        "quake3",
        27960,
        "",
        "openarena OpenArena|q3a Quake 3: Arena|rtcw Return to Castle Wolfenstein|stvef Star Trek: Voyager - Elite Force|"
        "urbanterror Urban Terror|wet Wolfenstein: Enemy Territory",
    ),
    ("quake3", 26000, "", "nexuiz Nexuiz|xonotic Xonotic"),
    ("quake3", 20100, "", "sof2 Soldier of Fortune 2"),
    ("quake3", 29253, "", "stvef2 Star Trek: Voyager - Elite Force 2"),
    ("quake3", 28070, "", "swjk2jo Star Wars Jedi Knight II: Jedi Outcast"),
    ("quake3", 29070, "", "swjkja Star Wars Jedi Knight: Jedi Academy"),
    ("quake3", 30720, "", "tremulous Tremulous"),
    ("quake3", 44400, "", "warfork Warfork|warsow Warsow"),
    ("doom3", 27666, "", "doom3 Doom 3|wolfenstein Wolfenstein"),
    ("doom3", 3074, "27733", "etqw Enemy Territory: Quake Wars"),
    ("doom3", 27719, "", "prey Prey"),
    ("doom3", 28004, "", "quake4 Quake 4"),
    ("gamespy1", 14567, "23000", "battlefield1942 Battlefield 1942"),
    ("gamespy1", 27888, "", "avp2 Aliens versus Predator 2"),
    (
        "gamespy1",
        7777,
        "+1",
        "postal2 Postal 2|rune Rune|tacticalops Tactical Ops|unreal Unreal|unrealtournament Unreal Tournament",
    ),
    (
        "gamespy1",
        12203,
        "+97",
        "mohaa Medal of Honor: Allied Assault|mohaab Medal of Honor: Allied Assault Breakthrough|"
        "mohaas Medal of Honor: Allied Assault Spearhead",
    ),
    ("gamespy1", 2302, "+1", "ofcwc Operation Flashpoint: Cold War Crisis|ofr Operation Flashpoint: Resistance"),
    ("gamespy1", 25600, "+1", "serioussam Serious Sam|sstse Serious Sam: The Second Encounter"),
    ("gamespy1", 5425, "15425", "vietcong Vietcong"),
    ("gamespy2", 15567, "23000", "battlefieldvietnam Battlefield Vietnam"),
    ("gamespy2", 2302, "", "aaa ARMA: Armed Assault|halo Halo"),
    ("gamespy2", 1716, "+1", "americasarmy America's Army|americasarmy2 America's Army 2"),
    ("gamespy2", 5121, "", "neverwinternights Neverwinter Nights"),
    ("gamespy2", 3658, "", "swb Star Wars: Battlefront|swb2 Star Wars: Battlefront 2"),
    ("gamespy2", 10480, "+2", "swat4 SWAT 4"),
    (
        "gamespy3",
        16567,
        "29900",
        "battlefield2 Battlefield 2|battlefield2142 Battlefield 2142|prb2 Project Reality: Battlefield 2",
    ),
    ("gamespy3", 64087, "", "crysis Crysis"),
    ("gamespy3", 64100, "", "crysiswars Crysis Wars"),
    ("gamespy3", 5445, "+2", "stalker S.T.A.L.K.E.R."),
    ("gamespy4", 7777, "-1277", "unrealtournament3 Unreal Tournament 3"),
    ("unreal2", 7757, "+1", "dhe4445 Darkest Hour: Europe '44-'45|unrealtournament2003 Unreal Tournament 2003"),
    ("unreal2", 7758, "+1", "redorchestra Red Orchestra"),
    ("unreal2", 7777, "+1", "u2tax Unreal 2: The Awakening - XMP|unrealtournament2004 Unreal Tournament 2004"),
    ("unreal2", 7707, "+1", "killingfloor Killing Floor"),
)


def _game(protocol: str, port: int, query: str, line: str) -> Game:
    name, title = line.split(" ", 1)
    offset = int(query) if query[:1] in "+-" and query else 0
    return Game(name, title, protocol, port, int(query) if query and not offset else None, offset)


GAMES: dict[str, Game] = {
    game.id: game
    for game in sorted(
        (_game(protocol, port, query, line) for protocol, port, query, lines in _GROUPS for line in lines.split("|")),
        key=lambda game: game.title.lower(),
    )
}
"""By id, in the order of their titles."""
