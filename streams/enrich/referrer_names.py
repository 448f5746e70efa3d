"""The sources of visits that have a name: hosts, apps and campaign sources, by type.

Each line is ``Name = entries``. An entry with a dot is a host (its subdomains belong to it unless they have an entry
of their own); ``brand.*`` is a host under any country's ending (``google.de``, ``google.co.uk``); an entry with a
colon is a mobile app (``app:com.example``); a bare word is what people write into ``utm_source``. Names and domains
of services as they are publicly known; extend freely, one source a line.
"""

SEARCH = """
Google = google.* google adwords app:com.google.android.googlequicksearchbox app:com.google.android.chrome
Google Images = images.google.*
Google Scholar = scholar.google.*
Bing = bing.com bing cn.bing.com msn.com app:com.microsoft.bing
DuckDuckGo = duckduckgo.com ddg.gg duckduckgo ddg app:com.duckduckgo.mobile.android
Yahoo! = search.yahoo.com yahoo.* search.yahoo.co.jp yahoo
Yandex = yandex.* ya.ru yandex app:ru.yandex.searchplugin
Baidu = baidu.com baidu
Ecosia = ecosia.org ecosia app:com.ecosia.android
Qwant = qwant.com qwant
Startpage = startpage.com startpage
Brave Search = search.brave.com brave
Kagi = kagi.com kagi
Naver = naver.com naver
Daum = daum.net daum
Seznam = seznam.cz seznam
Sogou = sogou.com sogou
360 Search = so.com 360.cn
Shenma = sm.cn
Mojeek = mojeek.com mojeek
Swisscows = swisscows.com
MetaGer = metager.org metager.de
Ask = ask.com
AOL Search = search.aol.com aol.com aol.de
Lycos = lycos.com
Dogpile = dogpile.com
Petal Search = petalsearch.com
Coc Coc = coccoc.com
Rambler = rambler.ru nova.rambler.ru
Mail.ru Search = go.mail.ru
Marginalia = marginalia.nu search.marginalia.nu
Presearch = presearch.com presearch.org
You.com = you.com
Excite = excite.com
Onet = onet.pl
Virgilio = virgilio.it
T-Online = t-online.de
Web.de Search = suche.web.de
GMX Search = suche.gmx.net
Sapo = sapo.pt
Najdi = najdi.si
Info.com = info.com
Wolfram Alpha = wolframalpha.com
SearXNG = searx.be searx.me
"""

AI = """
ChatGPT = chatgpt.com chat.openai.com openai.com chatgpt openai app:com.openai.chatgpt
Claude = claude.ai claude anthropic app:com.anthropic.claude
Gemini = gemini.google.com bard.google.com gemini app:com.google.android.apps.bard
Google AI Studio = aistudio.google.com notebooklm.google.com
Perplexity = perplexity.ai perplexity app:ai.perplexity.app.android
Copilot = copilot.microsoft.com copilot.cloud.microsoft copilot edgeservices.bing.com
DeepSeek = deepseek.com chat.deepseek.com deepseek
Grok = grok.com x.ai grok
Le Chat = chat.mistral.ai mistral.ai mistral
Meta AI = meta.ai
Poe = poe.com poe
Phind = phind.com phind
HuggingChat = huggingface.co hf.co huggingface
Character.AI = character.ai
Kimi = kimi.com kimi.moonshot.cn
Qwen = chat.qwen.ai qwen.ai tongyi.aliyun.com
Doubao = doubao.com
Felo = felo.ai
iAsk = iask.ai
Andi = andisearch.com
Consensus = consensus.app
Duck.ai = duck.ai
"""

SOCIAL = """
Facebook = facebook.com fb.com fb.me fbcdn.net facebook fb meta app:com.facebook.katana
Instagram = instagram.com instagram ig app:com.instagram.android
Threads = threads.net threads.com threads
X = x.com twitter.com t.co twitter x app:com.twitter.android
LinkedIn = linkedin.com lnkd.in linkedin li app:com.linkedin.android
Reddit = reddit.com redd.it reddit app:com.reddit.frontpage
Pinterest = pinterest.* pin.it pinterest app:com.pinterest
TikTok = tiktok.com tiktok app:com.zhiliaoapp.musically
Snapchat = snapchat.com snapchat app:com.snapchat.android
Mastodon = mastodon.social mastodon.online mstdn.social fosstodon.org hachyderm.io mas.to mastodon
Bluesky = bsky.app bsky.social go.bsky.app bluesky bsky
Tumblr = tumblr.com tumblr
VK = vk.com vk.ru vkontakte.ru vk
Odnoklassniki = ok.ru
Weibo = weibo.com weibo.cn t.cn weibo
Douban = douban.com
Xiaohongshu = xiaohongshu.com xhslink.com
Zhihu = zhihu.com
Quora = quora.com quora
Medium = medium.com link.medium.com medium
Substack = substack.com substack
Hacker News = news.ycombinator.com hckrnews.com hackernews hn ycombinator
Lobsters = lobste.rs
Product Hunt = producthunt.com producthunt ph
Indie Hackers = indiehackers.com indiehackers
Lemmy = lemmy.world lemmy.ml
Flipboard = flipboard.com flipboard
Nextdoor = nextdoor.com
XING = xing.com xing
Meetup = meetup.com
Goodreads = goodreads.com
Strava = strava.com
Disqus = disqus.com
Digg = digg.com
Slashdot = slashdot.org
Hatena = hatena.ne.jp b.hatena.ne.jp
Mixi = mixi.jp
Linktree = linktr.ee linktree
"""

CHAT = """
WhatsApp = whatsapp.com wa.me whatsapp app:com.whatsapp
Telegram = telegram.org t.me web.telegram.org telegram app:org.telegram.messenger
Messenger = messenger.com m.me messenger app:com.facebook.orca
Discord = discord.com discord.gg discordapp.com discord
Slack = slack.com app.slack.com slack app:com.slack
Microsoft Teams = teams.microsoft.com teams.live.com teams
Google Chat = chat.google.com
Signal = signal.org signal
LINE = line.me line app:jp.naver.line.android
WeChat = weixin.qq.com mp.weixin.qq.com wechat.com wechat
KakaoTalk = kakao.com kakaotalk
Viber = viber.com viber
Skype = skype.com web.skype.com
Zoom = zoom.us
Matrix = element.io app.element.io matrix.to
"""

EMAIL = """
Gmail = mail.google.com gmail.com gmail app:com.google.android.gm
Outlook = outlook.com outlook.live.com outlook.office.com mail.live.com hotmail.com outlook hotmail
Yahoo! Mail = mail.yahoo.com mail.yahoo.co.jp
AOL Mail = mail.aol.com
iCloud Mail = icloud.com
Proton Mail = mail.proton.me protonmail.com proton.me
Fastmail = fastmail.com app.fastmail.com
GMX = gmx.net gmx.de gmx.com
WEB.DE = web.de
Mail.ru = mail.ru e.mail.ru
Yandex Mail = mail.yandex.ru mail.yandex.com
Zoho Mail = mail.zoho.com
QQ Mail = mail.qq.com
NetEase Mail = mail.163.com mail.126.com
Naver Mail = mail.naver.com
Daum Mail = mail.daum.net
Seznam Mail = email.seznam.cz
Orange Mail = mail.orange.fr messagerie.orange.fr
Mailchimp = mailchi.mp list-manage.com mailchimp.com mailchimp
Klaviyo = klaviyo.com klaviyo
Vero = getvero.com vero
Brevo = brevo.com sendinblue.com brevo sendinblue
HubSpot = hubspot.com hubspotemail.net hubspot
Campaign Monitor = createsend.com cmail19.com cmail20.com
ConvertKit = convertkit.com kit.com convertkit
beehiiv = beehiiv.com beehiiv
Buttondown = buttondown.com buttondown.email buttondown
Customer.io = customer.io customerio
SendGrid = sendgrid.net sendgrid.com sendgrid
Newsletter = newsletter newsletters
Email = email e-mail mail mailing edm
"""

VIDEO = """
YouTube = youtube.com youtu.be youtube-nocookie.com youtube yt app:com.google.android.youtube
Vimeo = vimeo.com vimeo
Twitch = twitch.tv twitch
Dailymotion = dailymotion.com
Bilibili = bilibili.com b23.tv bilibili
Niconico = nicovideo.jp
Rumble = rumble.com
Rutube = rutube.ru
Netflix = netflix.com
Loom = loom.com
Spotify = spotify.com open.spotify.com spotify
SoundCloud = soundcloud.com
Apple Podcasts = podcasts.apple.com
"""

ADS = """
Google Ads = googleadservices.com doubleclick.net googlesyndication.com ads.google.com google_ads googleads google-ads
Microsoft Advertising = ads.microsoft.com bingads bing_ads bing-ads
Meta Ads = business.facebook.com facebook_ads fb_ads facebook-ads meta_ads
LinkedIn Ads = linkedin_ads linkedin-ads
TikTok Ads = ads.tiktok.com tiktok_ads tiktok-ads
Reddit Ads = reddit_ads reddit-ads
X Ads = ads.twitter.com ads.x.com twitter_ads
Snapchat Ads = ads.snapchat.com snapchat_ads
Pinterest Ads = ads.pinterest.com pinterest_ads
Quora Ads = quora_ads
Yandex Direct = direct.yandex.ru yandex_ads
Apple Search Ads = searchads.apple.com apple_search_ads asa
Taboola = taboola.com taboola
Outbrain = outbrain.com outbrain
Criteo = criteo.com criteo.net criteo
AdRoll = adroll.com adroll
Carbon Ads = carbonads.com carbonads.net carbon carbonads
EthicalAds = ethicalads.io ethicalads
Awin = awin1.com awin.com awin
CJ Affiliate = cj.com cj anrdoezrs.net dpbolvw.net
Impact = impact.com impact impactradius.com
Rakuten Advertising = linksynergy.com
"""

NEWS = """
Google News = news.google.com app:com.google.android.apps.magazines
Apple News = apple.news
Yahoo! News = news.yahoo.com news.yahoo.co.jp
BBC = bbc.com bbc.co.uk
CNN = cnn.com
The New York Times = nytimes.com
The Guardian = theguardian.com
Washington Post = washingtonpost.com
Reuters = reuters.com
Bloomberg = bloomberg.com
Forbes = forbes.com
TechCrunch = techcrunch.com techcrunch
The Verge = theverge.com
Wired = wired.com
Ars Technica = arstechnica.com
Le Monde = lemonde.fr
Der Spiegel = spiegel.de
heise = heise.de
Zeit = zeit.de
El País = elpais.com
Corriere della Sera = corriere.it
Feedly = feedly.com feedly
Inoreader = inoreader.com
Pocket = getpocket.com pocket
SmartNews = smartnews.com
"""

SHOPPING = """
Amazon = amazon.* amazon
eBay = ebay.* ebay
Etsy = etsy.com etsy
AliExpress = aliexpress.com aliexpress
Shopify = shopify.com shop.app
Google Shopping = shopping.google.com
Idealo = idealo.de idealo.co.uk
PriceRunner = pricerunner.com
Trustpilot = trustpilot.com
Walmart = walmart.com
Rakuten = rakuten.co.jp rakuten.com
Mercado Libre = mercadolibre.com mercadolivre.com.br
Allegro = allegro.pl
Zalando = zalando.de zalando.com
"""

TECH = """
GitHub = github.com gist.github.com github.io github
GitLab = gitlab.com gitlab
Bitbucket = bitbucket.org
Stack Overflow = stackoverflow.com stackoverflow
Stack Exchange = stackexchange.com superuser.com serverfault.com askubuntu.com
npm = npmjs.com
Docker Hub = hub.docker.com
dev.to = dev.to devto
Hashnode = hashnode.dev hashnode.com
CodePen = codepen.io
Figma = figma.com
Dribbble = dribbble.com
Behance = behance.net
Vercel = vercel.com
Netlify = netlify.com
AlternativeTo = alternativeto.net
G2 = g2.com
Capterra = capterra.com
AppSumo = appsumo.com
BetaList = betalist.com
"""

WORK = """
Notion = notion.so notion.site notion.com notion
Google Docs = docs.google.com drive.google.com
Google Calendar = calendar.google.com
Jira = atlassian.net atlassian.com
Trello = trello.com
Asana = app.asana.com
Linear = linear.app
Airtable = airtable.com
Miro = miro.com
SharePoint = sharepoint.com
Office = office.com
Salesforce = salesforce.com lightning.force.com
Zendesk = zendesk.com
Intercom = intercom.com intercom-mail.com intercom
Basecamp = basecamp.com
ClickUp = app.clickup.com
"""

REFERENCE = """
Wikipedia = wikipedia.org wikipedia
Google Translate = translate.google.com translate.goog
Internet Archive = archive.org
Google Maps = maps.google.com google_maps gmb gbp
Google Play = play.google.com google-play app:com.android.vending
App Store = apps.apple.com itunes.apple.com
Tripadvisor = tripadvisor.com tripadvisor
Yelp = yelp.com yelp
"""

BY_TYPE = {
    "search": SEARCH,
    "ai": AI,
    "social": SOCIAL,
    "chat": CHAT,
    "email": EMAIL,
    "video": VIDEO,
    "ads": ADS,
    "news": NEWS,
    "shopping": SHOPPING,
    "tech": TECH,
    "work": WORK,
    "reference": REFERENCE,
}
